"""What cannot be measured."""

from kingpost.core import KingpostError

__all__ = ["BadShare", "BadTest", "BinMismatch", "EmptyWindow"]


class BinMismatch(KingpostError):
    """Counts over different bins cannot be compared or added."""

    code = "bin_mismatch"

    def __init__(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        super().__init__(first, second)
        self.first, self.second = first, second

    def __str__(self) -> str:
        return (
            f"counts of shape {self.first} and {self.second} are over different bins; count both "
            "over the bins of the reference"
        )


class EmptyWindow(KingpostError):
    """A side of a comparison that has no rows."""

    code = "empty_window"

    def __init__(self, reference: int, live: int) -> None:
        super().__init__(reference, live)
        self.reference, self.live = reference, live

    def __str__(self) -> str:
        return (
            f"nothing to compare: the reference has {self.reference} rows and the window "
            f"{self.live}; wait for rows, or take a longer window"
        )


class BadShare(KingpostError):
    """Counts or a share that cannot be: negative, more hits than rows, outside 0 to 1."""

    code = "bad_share"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"not a share: {self.problem}"


class BadTest(KingpostError):
    """A test with a number that it cannot have."""

    code = "bad_test"

    def __init__(self, name: str, value: float, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name, self.value, self.expected = name, value, expected

    def __str__(self) -> str:
        return f"the {self.name} of a test lies {self.expected}; {self.value:g} does not"
