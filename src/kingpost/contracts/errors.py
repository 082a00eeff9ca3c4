"""Errors of contracts: wrong declarations, rows that break one, incompatible changes."""

from kingpost.core import KingpostError, Place

__all__ = [
    "BadContract",
    "ContentClosed",
    "ContentUnreadable",
    "ContractViolation",
    "IncompatibleContract",
    "NaiveTime",
    "UnknownZone",
    "UnreadableBatch",
]


class NaiveTime(KingpostError):
    """A time that has no zone, where the answer depends on one."""

    code = "naive_time"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return (
            f"{self.text} has no time zone; name one: `at.in_zone('Europe/Rome').hour` in a "
            "feature, an offset as in 2018-08-01T00:00:00Z in data, `--zone` for a file without"
        )


class UnknownZone(KingpostError):
    """No time zone of that name."""

    code = "unknown_zone"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no time zone is called {self.name!r}; use an IANA name such as 'Asia/Kolkata'"


class BadContract(KingpostError):
    """An event type that cannot be a contract."""

    code = "bad_contract"

    def __init__(self, event: str, problem: str, mend: str, place: Place) -> None:
        super().__init__(event, problem, mend, place)
        self.event, self.problem, self.mend, self.place = event, problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  event {self.event}: {self.problem}; {self.mend}"


class ContentClosed(KingpostError):
    """Personal content that a process reads without the keys of its subjects."""

    code = "content_closed"

    def __init__(self, contract: str) -> None:
        super().__init__(contract)
        self.contract = contract

    def __str__(self) -> str:
        return (
            f"events of {self.contract!r} have personal content, and no keys were opened to read "
            "or write it; call kingpost.decisions.open_subjects for the data directory first"
        )


class ContentUnreadable(KingpostError):
    """The personal part of a stored event has a form that this version does not know."""

    code = "content_unreadable"

    def __init__(self, contract: str, problem: str) -> None:
        super().__init__(contract, problem)
        self.contract, self.problem = contract, problem

    def __str__(self) -> str:
        return (
            f"the personal part of a stored event of {self.contract!r} cannot be read "
            f"({self.problem}); upgrade Kingpost"
        )


class ContractViolation(KingpostError):
    """A row or a body that does not keep its contract.

    Attributes:
        field: The field at fault, `""` for the row as a whole.
        expected: What the contract asks for.
        found: What was there, by type and never by value: it may be personal.
    """

    code = "contract_violation"

    def __init__(self, contract: str, field: str, expected: str, found: str) -> None:
        super().__init__(contract, field, expected, found)
        self.contract, self.field = contract, field
        self.expected, self.found = expected, found

    def __str__(self) -> str:
        where = f"{self.contract}.{self.field}" if self.field else self.contract
        return f"{where}: expected {self.expected}, found {self.found}"


class IncompatibleContract(KingpostError):
    """A change of an event type after which its stored events could not be read."""

    code = "incompatible_contract"

    def __init__(self, contract: str, field: str, problem: str, mend: str) -> None:
        super().__init__(contract, field, problem, mend)
        self.contract, self.field, self.problem, self.mend = contract, field, problem, mend

    def __str__(self) -> str:
        return f"{self.contract}.{self.field}: {self.problem}; {self.mend}"


class UnreadableBatch(KingpostError):
    """Stored columns whose format this version does not know."""

    code = "unreadable_batch"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"stored event columns cannot be read: {self.problem}; upgrade Kingpost"
