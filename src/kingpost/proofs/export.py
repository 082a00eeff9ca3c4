"""Publishing a tree as static files, in C2SP's tlog-tiles layout.

The rule: what a checkpoint speaks of is there before the checkpoint is. Full tiles never
change and are written once; a partial one goes when the full one is there.
"""

import contextlib
import shutil
from pathlib import Path

from kingpost.core import Disk
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint
from kingpost.proofs.errors import TreeDamaged
from kingpost.proofs.files import (
    BUNDLE,
    TreeFiles,
    checkpoint_file,
    read_whole,
    resources,
    write_whole,
)

__all__ = ["export_tree"]


def export_tree(public: Path, target: Path, *, disk: Disk) -> Checkpoint:
    """Write a tree's tiles, bundles, keys and newest checkpoint below a directory.

    Called again, it adds what has come since.

    Raises:
        TreeDamaged, BadNote: The tree cannot be read.
    """
    whole = checkpoint_file(public, disk)
    checkpoint = parse_checkpoint(whole)
    before = read_whole(target / "checkpoint", disk)
    had = parse_checkpoint(before.decode()).size if before else 0
    with TreeFiles(public, checkpoint.size, disk=disk) as files:
        for path, level, number, width in resources(checkpoint.size):
            if width == BUNDLE and (number + 1) * BUNDLE <= had >> 8 * max(level, 0):
                continue
            data = files.resource(path)
            if data is None:
                raise TreeDamaged(public, f"it has no {path}")
            place = target / path
            disk.make_directory(place.parent)
            write_whole(place, data, disk)
            if width == BUNDLE:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(place.with_name(place.name + ".p"))
    for name in ("keys", "handovers", "checkpoints"):
        data = read_whole(public / name, disk)
        if data:
            write_whole(target / name, data, disk)
    write_whole(target / "checkpoint", whole.encode(), disk)
    return checkpoint
