"""Tokens that models use while they decide, noted by the function that is the model.

    def predict(rows):
        answer = ask_model(rows)
        kp.note_tokens("small-lm", input_tokens=answer.read, output_tokens=answer.written)
        return answer.scores

The rule: what is noted while a batch is scored is shared evenly among the requests that it
was scored for, to the last token; who goes first gets what is left over. It lies in the journal
beside their records and is durable with them. What is noted elsewhere is nobody's, and dropped.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from kingpost.core import KingpostError
from kingpost.decisions.declare import Decision
from kingpost.journal import Entry
from kingpost.records import DecisionRecord, ModelTokens, RecordUsage, encode_usage

__all__ = ["Noted", "WrongTokens", "note_tokens", "noting", "usage_entries"]

_LONGEST_NAME = 200

Noted = dict[str, list[int]]
"""Tokens read and written, by model."""

_noted: ContextVar[Noted | None] = ContextVar("kingpost_tokens", default=None)
_NOT_NOTING: AbstractContextManager[None] = nullcontext()


class WrongTokens(KingpostError):
    """Tokens that cannot be noted."""

    code = "wrong_tokens"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"tokens cannot be noted: {self.problem}; give a model's name of at most "
            f"{_LONGEST_NAME} characters and whole numbers from 0"
        )


def note_tokens(model: str, *, input_tokens: int, output_tokens: int = 0) -> None:
    """Note tokens that the decision being made has used.

    Args:
        model: As `prices` names it.
        input_tokens: How many it read.
        output_tokens: How many it wrote.

    Raises:
        WrongTokens: The name cannot be one, or a number is none.
    """
    if not 0 < len(model) <= _LONGEST_NAME or not model.isprintable():
        raise WrongTokens(f"the model is called {model!r}")
    for number in (input_tokens, output_tokens):
        if isinstance(number, bool) or not 0 <= number < 1 << 53 or number != int(number):
            raise WrongTokens(f"{number!r} of {model!r}")
    noted = _noted.get()
    if noted is not None:
        counts = noted.setdefault(model, [0, 0])
        counts[0] += int(input_tokens)
        counts[1] += int(output_tokens)


def noting(decision: Decision, into: dict[str, Noted]) -> AbstractContextManager[None]:
    """Take what a decision's model notes, where it is a function that can."""
    if decision.model.predict is None:
        return _NOT_NOTING
    return _taking(decision.name, into)


@contextmanager
def _taking(name: str, into: dict[str, Noted]) -> Generator[None, None, None]:
    noted: Noted = {}
    before = _noted.set(noted)
    try:
        yield
    finally:
        _noted.reset(before)
        if noted:
            into[name] = noted


def usage_entries(noted: Noted, records: Sequence[DecisionRecord]) -> Sequence[Entry]:
    """Share what was noted among the records that it was noted for."""
    return [
        Entry("usage", record.tenant, record.decision, encode_usage(usage))
        for at, record in enumerate(records)
        for usage in [_share(noted, record, at, len(records))]
        if usage.tokens
    ]


def _share(
    noted: Mapping[str, Sequence[int]], one: DecisionRecord, at: int, of: int
) -> RecordUsage:
    def part(total: int) -> int:
        return total // of + (at < total % of)

    shares = (
        ModelTokens(model, part(read), part(written)) for model, (read, written) in noted.items()
    )
    tokens = tuple(each for each in shares if each.input_tokens or each.output_tokens)
    return RecordUsage(record=one.id, at_us=one.at_us, tokens=tokens)
