"""`kingpost tree`: a log's keys, publishing it, the verifier. `kingpost witness`."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import click

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.proof_files import read_keys
from kingpost.cli.tree import LOG_OPTION, open_tree
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import LogName
from kingpost.proofs import (
    COSIGNATURE,
    SigningKey,
    VerifierKey,
    WitnessServer,
    WitnessState,
    export_tree,
    is_name,
)

__all__ = ["tree", "witness"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_WAIT_S = 10.0


@click.group()
def tree() -> None:
    """Show and rotate a log's keys; publish the log; print the verifier."""


@tree.command()
@LOG_OPTION
@_JSON
@click.pass_obj
def keys(settings: Settings, log: LogName, as_json: bool) -> None:
    """List a log's verifier keys, the one that signs now last; a first one is made."""
    place = data_directory(settings).log(log)
    with open_tree(settings, log) as opened:
        origin = opened.signer(wait_s=_WAIT_S).verifier.name
    found = list(map(str, place.keys(SystemDisk()).verifiers()))
    if as_json:
        print_result({"origin": origin, "keys": found}, as_json=True)
        return
    for key in found:
        click.echo(key)


@tree.command()
@LOG_OPTION
@_JSON
@click.pass_obj
def rotate(settings: Settings, log: LogName, as_json: bool) -> None:
    """Sign with a new key from here on; the old one signs that it hands over, and is deleted."""
    with open_tree(settings, log) as opened:
        new = opened.rotate(wait_s=_WAIT_S)
    print_result({"key": str(new.verifier)}, as_json=as_json)


@tree.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@LOG_OPTION
@_JSON
@click.pass_obj
def export(settings: Settings, directory: Path, log: LogName, as_json: bool) -> None:
    """Write a log as static tiles below DIRECTORY, or add what is new to it.

    The layout is C2SP's tlog-tiles. It holds digests, times and offsets, no record.
    """
    with open_tree(settings, log) as opened:
        opened.update(wait_s=_WAIT_S)
    public = data_directory(settings).log(log).public
    made = export_tree(public, directory, disk=SystemDisk())
    result = {"origin": made.origin, "leaves": made.size, "directory": str(directory)}
    print_result(result, as_json=as_json)


@tree.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
def verifier(out: Path | None) -> None:
    """Print the verifier for auditors: one Python file that needs nothing else."""
    text = resources.files("kingpost.proofs").joinpath("kingpost_verify.py").read_text()
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text)


@click.group()
def witness() -> None:
    """Sign the checkpoints of logs, each only if it continues the last one signed."""


@witness.command("key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", required=True, help="What the witness is called, as host/witness.")
@_JSON
def make_key(file: Path, name: str, as_json: bool) -> None:
    """Make a witness's key in FILE, and print what verifies it."""
    if not is_name(name):
        raise click.BadParameter("a name has no spaces and no +", param_hint="--name")
    key = SigningKey(name, COSIGNATURE, os.urandom(32))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as written:
        written.write(key.secret())
    print_result({"key": str(key.verifier)}, as_json=as_json)


@witness.command()
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--log", "logs", multiple=True, required=True, help="A log's verifier key.")
@click.option("--state", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True)
@_JSON
def serve(
    key_file: Path, logs: Sequence[str], state: Path, host: str, port: int, as_json: bool
) -> None:
    """Answer `POST /add-checkpoint`; what was signed is kept below --state."""
    known: dict[str, list[VerifierKey]] = {}
    for key in read_keys(logs):
        known.setdefault(key.name, []).append(key)
    signing = SigningKey.parse(key_file.read_text())
    kept = WitnessState(state, signing, known, disk=SystemDisk(), clock=SystemClock())
    with WitnessServer((host, port), kept) as server:
        url = f"http://{host}:{server.server_address[1]}"
        print_result({"url": url, "key": str(signing.verifier)}, as_json=as_json)
        server.serve_forever()
