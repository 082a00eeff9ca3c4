"""`kingpost prove` and `kingpost checkpoint`."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.proof_files import read_checkpoints
from kingpost.cli.tree import entry_id, open_tree, tree_place
from kingpost.core import Settings, SystemDisk, parse_id
from kingpost.decisions import RecordNotFound
from kingpost.proofs import Prover, consistency_json, proof_json

__all__ = ["checkpoint", "prove"]

_WAIT_S = 10.0
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("identifier", metavar="ID")
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
    settings: Settings, identifier: str, out: Path | None, kept: Sequence[Path], as_json: bool
) -> None:
    """Prove that the record ID is in the log: a file that anybody can check, offline.

    It holds the record itself: its features, its answer, who asked.
    """
    wanted = parse_id(identifier)
    where = data_directory(settings)
    prover = Prover(tree_place(settings, where), SystemDisk(), entry_id)
    checkpoints = read_checkpoints(kept)
    if wanted is None:
        raise RecordNotFound(identifier, str(where.root))
    with open_tree(settings) as tree:
        tree.update(wait_s=_WAIT_S)
        proof = prover.prove(wanted, kept=checkpoints)
    if proof is None:
        raise RecordNotFound(identifier, str(where.root))
    made = proof_json(proof)
    if out is None:
        click.echo(msgspec.json.encode(made).decode())
        return
    out.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    result = {"id": identifier, "leaf": proof.index, "file": str(out), "keys": made["keys"]}
    print_result(result, as_json=as_json)


@click.command()
@click.option("--out", type=_FILE, help="Write it there; else to standard output.")
@click.option("--since", type=_FILE, help="Say how it continues this checkpoint, in JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def checkpoint(settings: Settings, out: Path | None, since: Path | None, as_json: bool) -> None:
    """Sign what the log holds now; whoever keeps the checkpoint can prove what comes later.

    With --since, print a proof that it continues an earlier one, for `kingpost verify`.
    """
    place = tree_place(settings, data_directory(settings))
    with open_tree(settings) as tree:
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
