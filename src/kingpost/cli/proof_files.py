"""Keys and checkpoints as commands are given them."""

from collections.abc import Sequence
from pathlib import Path

from kingpost.proofs import BadNote, Checkpoint, VerifierKey, parse_checkpoint

__all__ = ["read_checkpoints", "read_keys"]


def read_checkpoints(paths: Sequence[Path]) -> list[Checkpoint]:
    """Read checkpoints that were kept.

    Raises:
        BadNote: A file is none.
        OSError: A file cannot be read.
    """
    found: list[Checkpoint] = []
    for path in paths:
        try:
            found.append(parse_checkpoint(path.read_text()))
        except (BadNote, UnicodeDecodeError) as error:
            reason = error.reason
            raise BadNote(f"{path} is no checkpoint ({reason})") from error
    return found


def read_keys(texts: Sequence[str]) -> list[VerifierKey]:
    """Read verifier keys; a text that names a file stands for the keys in it, one a line.

    Raises:
        BadVerifierKey: One is none.
        OSError: A file cannot be read.
    """
    keys: list[VerifierKey] = []
    for text in texts:
        is_file = text.count("+") < 2 and Path(text).is_file()
        lines = Path(text).read_text().splitlines() if is_file else [text]
        keys += map(VerifierKey.parse, lines)
    return keys
