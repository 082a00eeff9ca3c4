"""Errors of feature declarations and of their parity."""

from kingpost.core import KingpostError, Place

__all__ = ["LeakingLabel", "SpillDamaged", "WrongFeature"]


class WrongFeature(KingpostError):
    """A feature declaration that cannot work; it names the line and the mend."""

    code = "wrong_feature"

    def __init__(self, problem: str, mend: str, place: Place) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  {self.problem}; {self.mend}"


class LeakingLabel(WrongFeature):
    """A declaration through which training would see what was not yet known."""

    code = "leaking_label"


class SpillDamaged(KingpostError):
    """Events that were moved out of memory and cannot be read back as they were."""

    code = "spill_damaged"

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return (
            f"the file that holds windows outside memory is damaged at byte {self.place}; it is "
            "made anew at a start, from the journal: check the disk, then start again"
        )
