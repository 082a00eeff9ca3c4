"""Bit rot: durable bytes that change, go or turn to zeros, and what is said of it."""

import copy
import logging
from random import Random

from kingpost.core import Clock
from kingpost.journal import JournalCorrupt, Place, scan
from kingpost.journal.segments import HEADER_SIZE, first_offsets, open_segment, segment_path
from kingpost.journal.walk import SegmentWalk
from tests.simulated_disk import SimulatedDisk
from tests.simulator.checks import Said, check_memory
from tests.simulator.opening import DATA, opened_engine

__all__ = ["Warnings", "examine_damage"]


class Warnings(logging.Handler):
    """Keeps what the log says of damage."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.events: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(record.getMessage())


def examine_damage(
    original: SimulatedDisk, clock: Clock, random: Random, warnings: Warnings, said: Said
) -> str:
    """Damage a copy of a disk, and see that it is reported with its place, or harmless.

    Returns:
        What was done and what came of it.
    """
    commits = list(scan(DATA, disk=original))
    disk = copy.deepcopy(original).after_kill()
    files = [path for path in disk.paths() if path.suffix in (".log", ".columns")]
    path = random.choice(files)
    content, is_segment = disk.content(path), path.suffix == ".log"
    is_last = path == [one for one in files if one.suffix == ".log"][-1]
    kind = random.choice(("flip", "flip", "zeros", "cut", "lost"))
    if is_last and kind in ("cut", "lost"):
        kind = "flip"  # the end of a journal that is gone leaves nothing that tells of it
    used = len(content.rstrip(b"\0")) or 1
    byte = random.randrange(used)
    size = 1 if kind == "flip" else random.choice((64, 512))
    if kind == "flip":
        disk.damage(path, byte, bytes([content[byte] ^ 1 << random.randrange(8)]))
    elif kind == "zeros":
        disk.damage(path, byte, bytes(min(size, len(content) - byte)))
    elif kind == "cut":
        disk.cut(path, byte)
    else:
        disk.lose(path)
    place = f"{path.name} byte {byte} ({kind})"
    warnings.events.clear()
    damaged = disk.content(path) if kind != "lost" else b""
    try:
        engine = opened_engine(disk, clock)
        found = list(scan(DATA, disk=disk))
        if not is_segment:
            memory = engine._memory  # pyright: ignore[reportPrivateUsage]  what is looked at
            check_memory(memory, DATA, found, disk, clock, said)
        engine.close()
    except JournalCorrupt as error:
        line = f"damaged {place}: {error.path.name} byte {error.byte}"
        said(is_segment, f"damage of {place} was called one of the journal")
        if kind != "lost":
            said(error.path == path, f"damage of {place} was looked for in {error.path}")
            reach = max(byte + size, HEADER_SIZE)
            said(error.byte <= reach, f"damage of {place} was found at {error.byte}")
            said(disk.content(path) == damaged, f"what is damaged at {place} was changed")
        return line
    line = f"damaged {place}: {sorted(set(warnings.events)) or 'harmless'}"
    group = _last_group(original)
    at = Place(int(path.name[:20]), byte)
    whole = commits
    if is_last and Place(at.segment, byte + size) > group:
        # nothing tells it from a torn write: what lies wholly before it stays
        whole = [commit for commit in commits if commit.place < min(group, at)]
        whole = whole if at >= group else whole[:-1]
    what = f"damage of {place} was taken for the end at offset {len(found)}"
    said(found[: len(whole)] == whole, what)
    if kind == "flip" and found[: len(commits)] != commits:
        said("journal_tail_cut" in warnings.events, f"{what}, silently")
    return line


def _last_group(disk: SimulatedDisk) -> Place:
    """Return where the last group of a sound journal begins."""
    first = first_offsets(disk, DATA)[-1]
    file, header = open_segment(disk, DATA, first)
    walk = SegmentWalk(file, header, segment_path(DATA, first))
    places = [frame.place for frame in walk.frames() if frame.starts_group]
    return places[-1] if places else Place(first, walk.byte)
