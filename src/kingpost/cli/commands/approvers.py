"""`kingpost approvers`: who may approve, and their keys."""

import os
from pathlib import Path

import click

from kingpost.cli.output import print_result
from kingpost.cli.place import approvers_of
from kingpost.core import KingpostError, Settings
from kingpost.registry import SigningKey

__all__ = ["approvers", "asked_passphrase"]


class KeyFileExists(KingpostError):
    """A key would be written over another file."""

    code = "key_file_exists"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} exists; name another file, and keep the key that may be in this one"


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def approvers(context: click.Context, as_json: bool) -> None:
    """List who may approve, by the settings `approvers` and `own_approvals`.

    Where some are named, an approval counts only when one of them signed it, with a key that
    no server needs to have.
    """
    if context.invoked_subcommand is not None:
        return
    settings: Settings = context.obj
    named = approvers_of(settings)
    print_result(
        {
            "approvers": [] if named is None else list(named.keys),
            "own_approvals": settings.own_approvals if named else "allowed",
            "approvals": "unsigned ones count" if named is None else "must be signed",
        },
        as_json=as_json,
    )


@approvers.command("new-key")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--no-passphrase", is_flag=True, help="Leave the key in clear in the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new_key(name: str, file: Path, no_passphrase: bool, as_json: bool) -> None:
    """Make a key for NAME to approve with, in FILE, and print what to add to `approvers`.

    FILE stays with NAME; servers only need what is printed.
    """
    key = SigningKey.make()
    secret = "" if no_passphrase else asked_passphrase(is_new=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileExists(file) from error
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(key.pem(secret))
        opened.flush()
        os.fsync(opened.fileno())
    print_result({"name": name, "approvers": f"{name}={key.public}"}, as_json=as_json)


def asked_passphrase(*, is_new: bool = False) -> str:
    """Ask at the terminal for the passphrase of a key."""
    answer: str = click.prompt(
        "Passphrase of the key", hide_input=True, confirmation_prompt=is_new, err=True
    )
    return answer
