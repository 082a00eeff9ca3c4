"""A small journal with a tree over it, on a simulated disk, and files for the auditor's script."""

from importlib import import_module
from pathlib import Path
from typing import Any

from kingpost.core import Disk
from kingpost.journal import Entry, Journal
from kingpost.proofs import Tree, TreePlace
from kingpost.records import id_in
from tests.stopped_clock import StoppedClock

__all__ = ["PLACE", "auditor", "entry_id", "opened", "pair", "place_in", "record_id", "tree_on"]

auditor: Any = import_module("kingpost.proofs.kingpost_verify")
"""The auditor's script, which has no types."""

PLACE = TreePlace(
    Path("/house/journal/data"),
    Path("/house/tree/data"),
    Path("/house/keys"),
    origin="a.example/log",
)


def record_id(number: int) -> bytes:
    """Return an id that grows with a number."""
    return (0x7000 + number).to_bytes(8) + bytes(8)


def pair(number: int, *, body: bytes = b"answer") -> list[Entry]:
    """Make the commit of an event and its record."""
    head = b"\xdc\x00\x1a\x05\xc4\x10" + record_id(number)
    return [
        Entry("event", "acme", "t", b"%d" % number),
        Entry("record", "acme", "fraud", head + body),
    ]


def entry_id(entry: Entry) -> bytes | None:
    """Return the id of an entry."""
    return id_in(entry.kind, entry.body)


def opened(disk: Disk, place: TreePlace = PLACE) -> Journal:
    """Open the journal."""
    return Journal.open(
        place.journal,
        disk=disk,
        clock=StoppedClock(),
        segment_bytes=1 << 20,
        fill_in_background=False,
    )


def tree_on(disk: Disk, place: TreePlace = PLACE) -> Tree:
    """Open the tree."""
    return Tree(place, disk, entry_id)


def place_in(directory: Path) -> TreePlace:
    """Say where a tree lies in a real directory, as in a data directory."""
    return TreePlace(
        directory / "journal" / "data",
        directory / "tree" / "data",
        directory / "tree-keys" / "data",
        origin="a.example/log",
    )
