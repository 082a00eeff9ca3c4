"""`kingpost streams`: topics of a broker into the journal, and the journal into topics."""

import signal
import threading
from pathlib import Path

import click

from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.run import feature_names
from kingpost.cli.streams import follow_all, open_streams, takes_nothing
from kingpost.core import KingpostError, Settings, SystemClock, SystemDisk
from kingpost.decisions import Application, load_application, opened_subjects
from kingpost.integrations import Flow, Intake, take_into
from kingpost.journal import last_commit
from kingpost.serving import StreamSetup

__all__ = ["streams"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_APP = click.argument("app", type=click.Path(path_type=Path))


class NoStreams(KingpostError):
    """A command for streams where the settings name none."""

    code = "no_streams"

    def __str__(self) -> str:
        return (
            "no streams are configured; name them in kingpost.toml, as "
            'streams_in = "order=nats://127.0.0.1:4222/orders"'
        )


@click.group()
def streams() -> None:
    """List and follow the streams that the settings name."""


@streams.command("list")
@_APP
@_JSON
@click.pass_obj
def list_streams(settings: Settings, app: Path, as_json: bool) -> None:
    """Say of each stream where it comes from or goes to, and how much waits.

    Of a stream that comes in, messages of the topic wait; of one that goes out, offsets of the
    journal that were not looked at.
    """
    setup, _ = _setup(settings, app)
    last = last_commit(data_directory(settings).data, disk=SystemDisk())
    end = 0 if last is None else last.next_offset
    flows = setup.flows(takes_nothing, lambda: end)
    print_result({"streams": [_shown(flow) for flow in flows]}, as_json=as_json)


@streams.command("follow")
@_APP
@click.option("--drain", is_flag=True, help="End when nothing waits any more.")
@_JSON
@click.pass_obj
def follow(settings: Settings, app: Path, drain: bool, as_json: bool) -> None:
    """Take events in, and publish what was written, until SIGTERM or Ctrl-C.

    For an installation without a server: `kingpost run` does this by itself, since one process
    writes a journal. A broker that is away is tried again.
    """
    log_to_stderr(settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    setup, application = _setup(settings, app)
    where, contracts = data_directory(settings), application.streams.values()
    with (
        opened_subjects(where, contracts),
        Intake.open(where.data, contracts, disk=SystemDisk(), clock=SystemClock()) as intake,
    ):
        flows = setup.flows(take_into(intake, setup.tenant), lambda: intake.durable_offset)
        follow_all(flows, stop, drains=drain)
    print_result({"streams": [_done(flow) for flow in flows]}, as_json=as_json)


def _setup(settings: Settings, app: Path) -> tuple[StreamSetup, Application]:
    application = load_application(app)
    where = data_directory(settings)
    setup = open_streams(settings, application, where, feature_names(where))
    if setup is None:
        raise NoStreams
    return setup, application


def _shown(flow: Flow) -> dict[str, object]:
    shown: dict[str, object] = {
        "stream": flow.name,
        "direction": flow.direction,
        "topic": flow.topic,
    }
    try:
        if flow.direction == "in":
            flow.open()
        return {**shown, "waiting": flow.waiting(), "problem": None}
    except KingpostError as error:
        return {**shown, "waiting": None, "problem": f"{error.code}: {error}"}
    finally:
        flow.close()


def _done(flow: Flow) -> dict[str, object]:
    return {"stream": flow.name, "direction": flow.direction, **flow.verdicts()}
