"""Checkpoints: what a log says of itself, signed: its name, its size and its root.

The format is C2SP's tlog-checkpoint.
"""

import base64
from collections.abc import Sequence
from typing import NamedTuple

from kingpost.proofs.errors import BadNote
from kingpost.proofs.notes import Note, SigningKey, decoded, is_name, parse_note

__all__ = ["Checkpoint", "checkpoint_text", "parse_checkpoint", "sign_checkpoint"]


class Checkpoint(NamedTuple):
    """A checkpoint as it was read; whoever trusts it has verified `note`."""

    origin: str
    size: int
    root: bytes
    note: Note


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Write the text that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def sign_checkpoint(origin: str, size: int, root: bytes, keys: Sequence[SigningKey]) -> Checkpoint:
    """Make a checkpoint."""
    text = checkpoint_text(origin, size, root)
    whole = text + "\n" + "".join(key.sign(text) for key in keys)
    return Checkpoint(origin, size, root, parse_note(whole))


def parse_checkpoint(whole: str) -> Checkpoint:
    """Read a checkpoint; no signature is verified.

    Raises:
        BadNote: It is none.
    """
    note = parse_note(whole)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not is_name(lines[0]):
        raise BadNote("its text is no checkpoint: origin, size, root")
    size, root = lines[1], decoded(lines[2])
    if not (size.isascii() and size.isdigit() and len(size) < 20) or str(int(size)) != size:
        raise BadNote("its size is no decimal number")
    if root is None or len(root) != 32:
        raise BadNote("its root is no hash in base64")
    if "" in lines[3:]:
        raise BadNote("it has an empty line within its text")
    return Checkpoint(lines[0], int(size), root, note)
