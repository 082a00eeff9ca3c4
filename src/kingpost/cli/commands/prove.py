"""`kingpost prove` and `kingpost checkpoint`."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.proof_files import read_checkpoints
from kingpost.cli.tree import LOG_OPTION, entry_id, open_tree
from kingpost.core import Settings, SystemDisk, parse_id
from kingpost.decisions import DataDirectory, LogName, RecordNotFound
from kingpost.proofs import Checkpoint, Proof, Prover, consistency_json, proof_json

__all__ = ["checkpoint", "prove"]

_WAIT_S = 10.0
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("asked", metavar="ID|POSITION")
@click.option("--out", type=_FILE, help="Write the proof there; else to standard output.")
@click.option(
    "--checkpoint",
    "kept",
    type=_FILE,
    multiple=True,
    help="A checkpoint that whoever will check has kept; the proof continues it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def prove(
    settings: Settings, asked: str, out: Path | None, kept: Sequence[Path], as_json: bool
) -> None:
    """Prove that the record ID is in the log: a file that anybody can check, offline.

    It holds the record itself: its features, its answer, who asked. What has no id is asked for
    by its POSITION: an erasure or a hold, as `data:1204` (`kingpost erasures` lists it), an
    approval or another entry of the control log, as `control:12` (`kingpost models`).
    """
    where = data_directory(settings)
    checkpoints = read_checkpoints(kept)
    proof = _proof(settings, where, asked, checkpoints)
    if proof is None:
        raise RecordNotFound(asked, str(where.root))
    made = proof_json(proof)
    if out is None:
        click.echo(msgspec.json.encode(made).decode())
        return
    out.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    result = {"id": asked, "leaf": proof.index, "file": str(out), "keys": made["keys"]}
    print_result(result, as_json=as_json)


def _proof(
    settings: Settings, where: DataDirectory, asked: str, kept: Sequence[Checkpoint]
) -> Proof | None:
    """Prove a record by its id, or an entry by its position; None where there is none."""
    partition, found, offset = asked.partition(":")
    log: LogName = "control" if partition == "control" else "records"
    identifier = None if found else parse_id(asked)
    place = where.log(log)
    is_place = partition == place.journal.name and offset.isascii() and offset.isdigit()
    if identifier is None and not is_place:
        return None
    with open_tree(settings, log) as tree:
        tree.update(wait_s=_WAIT_S)
    prover = Prover(place, SystemDisk(), entry_id)
    if identifier is None:
        return prover.prove_at(int(offset), kept=kept)
    return prover.prove(identifier, kept=kept)


@click.command()
@LOG_OPTION
@click.option("--out", type=_FILE, help="Write it there; else to standard output.")
@click.option("--since", type=_FILE, help="Say how it continues this checkpoint, in JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def checkpoint(
    settings: Settings, log: LogName, out: Path | None, since: Path | None, as_json: bool
) -> None:
    """Sign what a log holds now; whoever keeps the checkpoint can prove what comes later.

    With --since, print a proof that it continues an earlier one, for `kingpost verify`.
    """
    place = data_directory(settings).log(log)
    with open_tree(settings, log) as tree:
        made = tree.update(wait_s=_WAIT_S)
    text = made.note.whole
    if since is not None:
        (old,) = read_checkpoints([since])
        made, hashes = Prover(place, SystemDisk(), entry_id).consistency(old)
        handovers = place.keys(SystemDisk()).handovers()
        shown = consistency_json(old.note.whole, made.note.whole, hashes, handovers)
        text = msgspec.json.encode(shown).decode() + "\n"
    if out is not None:
        out.write_text(text)
    if as_json and (out is not None or since is None):
        facts = {"origin": made.origin, "size": made.size, "root": made.root.hex()}
        print_result(facts | {"checkpoint": made.note.whole}, as_json=True)
    elif out is None:
        click.echo(text, nl=False)
