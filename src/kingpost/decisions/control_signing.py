"""Signing the control log: what was approved cannot be taken back unseen.

The rule: every entry is under a signed checkpoint before the command that added it ends, and
nothing is added to a log, or run from it, that does not hold all that was signed before.
"""

from pathlib import Path

from kingpost.core import Disk
from kingpost.decisions.errors import ControlLogAltered
from kingpost.journal import Entry
from kingpost.proofs import (
    BadNote,
    CheckpointInconsistent,
    Tree,
    TreeAheadOfJournal,
    TreePlace,
    Trust,
    audit_log,
    checkpoint_file,
    parse_checkpoint,
    signed_by,
)

__all__ = ["ControlSigning"]

_WAIT_S = 10.0


class ControlSigning:
    """Signs the control log, in any thread."""

    def __init__(self, place: TreePlace, *, disk: Disk) -> None:
        self._place, self._disk = place, disk

    def sign(self) -> None:
        """Sign what is new in the log, if it continues what was signed.

        Raises:
            KingpostError: See `Tree.update`.
        """
        tree = Tree(self._place, self._disk, _no_id)
        try:
            tree.update(wait_s=_WAIT_S)
        finally:
            tree.close()

    def check(self, kept: Path | None, *, sign: bool = True) -> None:
        """See that the log holds all that was signed, entry by entry; sign what is new.

        Args:
            kept: A file with a checkpoint that was kept elsewhere.
            sign: False changes nothing; a log of which nothing was signed yet passes then.

        Raises:
            ControlLogAltered: It does not, or does not continue the kept one.
            KingpostError: See `Tree.update`.
        """
        place, disk = self._place, self._disk
        try:
            if sign:
                self.sign()
            elif not checkpoint_file(place.public, disk):
                return
            signed_by(
                parse_checkpoint(checkpoint_file(place.public, disk)).note,
                place.keys(disk).verifiers(),
            )
            trust = Trust(kept=[parse_checkpoint(kept.read_text())] if kept else [])
        except PermissionError:
            raise  # nothing is known of the log, and that is what is said
        except (
            TreeAheadOfJournal, CheckpointInconsistent, BadNote, OSError, UnicodeDecodeError
        ) as error:  # fmt: skip
            raise ControlLogAltered(place.journal, str(error)) from error
        salt = place.keys(disk).salt()
        found = audit_log(place.public, trust, disk=disk, journal=place.journal, salt=salt).first
        if found is not None:
            raise ControlLogAltered(place.journal, f"entry {found.leaf}: {found.text}")


def _no_id(entry: Entry) -> bytes | None:
    del entry  # nothing of this log is asked for by an id
    return None
