"""What can go wrong with how long things are kept."""

from kingpost.core import KingpostError

__all__ = ["RetentionTooShort", "UnknownRetention"]


class UnknownRetention(KingpostError):
    """The setting names what the application does not declare."""

    code = "unknown_retention"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return (
            f"the setting 'retention' names {self.name!r}, which is no decision and no stream of "
            f"the application; it declares {', '.join(self.known)}, and * stands for all others"
        )


class RetentionTooShort(KingpostError):
    """Records would go before the law, or the application, can do without them."""

    code = "retention_too_short"

    def __init__(self, name: str, asked: str, least: str, because: str) -> None:
        super().__init__(name, asked, least, because)
        self.name, self.asked, self.least, self.because = name, asked, least, because

    def __str__(self) -> str:
        return (
            f"the setting 'retention' keeps {self.name!r} for {self.asked}, and {self.because} "
            f"asks for {self.least}; nothing was removed. Keep it for {self.least} or longer"
        )
