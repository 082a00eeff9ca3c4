"""The `kingpost` command: its commands by name, each loaded when it is called.

Every command takes `--json` for one JSON object on standard output; progress and messages
go to standard error. An error of Kingpost's ends with code 1 and its stable code in front,
a wrong call with code 2.
"""

import os
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import NoReturn

import click

from kingpost.cli.chosen import SettingsPlace
from kingpost.core import KingpostError

__all__ = ["command_line", "main"]

# command -> (module, what it does); the text is here so that `--help` loads no command
_COMMANDS = {
    "ingest": ("events", "Load events from a file into the journal."),
    "quarantine": ("events", "List the rows that broke their contract, or try them again."),
    "pipelines": ("pipelines", "List, run and follow the pipelines of an application."),
    "streams": ("streams", "List and follow streams of NATS, Kafka or a directory."),
    "backfill": ("features", "Compute a decision's features for past requests into a file."),
    "parity": ("features", "Replay a slice online and offline and compare every bit."),
    "features": ("features", "List features, show one, their hindsight; import from Feast."),
    "train": ("models", "Train a decision's model and bundle it for approval."),
    "evaluate": ("evaluate", "Judge a bundle by its evaluation gates."),
    "reproduce": ("reproduce", "Train a bundle's model again and compare the bytes."),
    "models": ("models", "List models, bundles and approvals; import a model."),
    "mlflow": ("mlflow", "Import a model from an MLflow server, or export one to it."),
    "approve": ("models", "Approve a bundle, so that it may run."),
    "approvers": ("approvers", "List who may approve, or make a key to approve with."),
    "release": ("releases", "Release a bundle: to a part of the requests, as a shadow, or to all."),
    "promote": ("releases", "Make the bundle that is being released champion."),
    "rollback": ("releases", "End a release, or go back to the champion before."),
    "releases": ("releases", "Say what runs and what is being released."),
    "history": ("releases", "List what was released, by whom and what came of it."),
    "retraining": ("retraining", "Train a decision's model anew, see how far it is, stop it."),
    "run": ("serve", "Serve an application's decisions."),
    "watch": ("observe", "Observe decisions: search, monitors, alerts, inbox."),
    "cost": ("cost", "Say what decisions cost, by whom and for what."),
    "reviewers": ("reviewers", "Say how often reviewers override, and agree with each other."),
    "drift": ("drift", "Say which columns of a table have moved from another's."),
    "score": ("score", "Score files of requests into Parquet, by what was approved."),
    "batches": ("score", "List what was scored in batches, by what and by whom."),
    "snapshot": ("snapshot", "Write what a server holds, so that the next start is quick."),
    "keys": ("serve", "Create, list, rotate and revoke API keys."),
    "incidents": ("incidents", "List incidents and what they affected; have it reviewed again."),
    "slo": ("slo", "Say how much of each error budget is left, and how fast it burns."),
    "exposure": ("exposure", "Show who has collected how many answers, or forgive."),
    "erase": ("erasures", "Erase a person, or what else events name, from all features."),
    "erasures": ("erasures", "List what was erased."),
    "hold": ("erasures", "Let nobody erase a person, or release the hold."),
    "holds": ("erasures", "List legal holds."),
    "move-subject-keys": ("subject_keys", "Move the keys of subjects from a file to PostgreSQL."),
    "export": ("export", "Export records for an auditor: files, a report, digests."),
    "exports": ("export", "List what was exported, by whom."),
    "review": ("review", "List, claim and answer what waits for people."),
    "work": ("work", "Run an application's workflows."),
    "jobs": ("jobs", "List, show, cancel and replay jobs."),
    "job-worker": ("jobs", "Work on jobs, at a running server."),
    "workflows": ("workflows", "List, show, start, cancel, resume and fork workflows."),
    "records": ("records_search", "Search and show records at a running server."),
    "explain": ("explain", "Say what each feature added to a record's score."),
    "replay": ("replay", "Run recorded decisions again and compare the bits."),
    "inferences": ("inferences", "List and show what models were asked directly."),
    "verify": ("verify", "Recompute every record, or check a proof or a log offline."),
    "prove": ("prove", "Prove that a record is in the log, for anybody to check."),
    "checkpoint": ("prove", "Sign what the log holds now, and say how it continues."),
    "tree": ("tree", "Show and rotate the log's keys; publish the log; the verifier."),
    "witness": ("tree", "Sign the checkpoints of logs that continue what was signed."),
    "seal": ("seal", "Seal finished segments of the journal as Parquet."),
    "archive": ("archive", "Put sealed segments into an object store, or bring them back."),
    "retention": ("retention", "Say what is over its time, and remove it."),
    "sql": ("sql", "Ask everything on record in SQL."),
    "dead-letters": ("dead_letters", "List, show, replay and discard messages nobody took."),
    "config": ("config", "Show the settings, or check them."),
    "conformance": ("conformance", "Check a server against the Open Inference Protocol."),
    "backup": ("backup", "Back the data directory up, also beside a running server."),
    "restore": ("backup", "Restore a backup, or one file of it."),
    "upgrade": ("upgrade", "Bring a data directory to the present formats."),
    "doctor": ("doctor", "Examine this machine and installation, and say what to do."),
}

_OF_SERVERS = {"http-worker": ("serve", "")}
"""Commands that servers run, not people."""

_READ_THEMSELVES = ("backup", "config", "doctor", "restore", "upgrade")
"""Commands that need the place of the settings, or have something to say of unreadable ones."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = _COMMANDS.get(cmd_name) or _OF_SERVERS.get(cmd_name)
        if found is None:
            return None
        module = import_module(f"kingpost.cli.commands.{found[0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Settings file; kingpost.toml in this directory when it exists.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, readable=False),
    help="Where the journal and the models lie.",
)
@click.version_option(metadata.version("kingpost"), prog_name="kingpost")
@click.pass_context
def command_line(ctx: click.Context, config: Path | None, data_dir: Path | None) -> None:
    """Declare a decision once; serve it, record it, prove it."""
    place = SettingsPlace(config, data_dir)
    reads_itself = ctx.invoked_subcommand in _READ_THEMSELVES
    ctx.obj = place if reads_itself else place.read(os.environ)


def main() -> NoReturn:
    """Run the command line of this process, and exit."""
    try:
        code = command_line.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except KingpostError as error:
        click.echo(f"error [{error.code}]: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        # a path that no part of Kingpost expected to be refused
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error [system_refused]: {where}{error.strerror or error}", err=True)
        sys.exit(1)
