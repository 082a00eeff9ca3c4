"""Libraries that only some need: they come with an extra, and are imported when used."""

from kingpost.core.errors import KingpostError

__all__ = ["ExtraMissing"]


class ExtraMissing(KingpostError):
    """A library of an extra that is not installed."""

    code = "extra_missing"

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(library, extra)
        self.library, self.extra = library, extra

    def __str__(self) -> str:
        return f"{self.library} is not installed; run: pip install 'kingpost[{self.extra}]'"
