"""What came of a decision's evaluation gates, as an artefact that a model card is made from.

The rule: the card tells these numbers and no others, and names the digest of the bytes that
they are read from; whoever has both can make the card again and compare.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from kingpost.contracts import Instant
from kingpost.models.card_facts import Block, Bullets, Paragraph, Section, Table
from kingpost.models.errors import BadResults
from kingpost.models.gates.declare import GateKind, GatesSpec, Side, Undecided
from kingpost.models.gates.fairness import GroupRate

__all__ = [
    "GateResult",
    "GateResults",
    "Verdict",
    "encode_results",
    "gates_section",
    "read_results",
    "verdict_of",
]

Verdict = Literal["passed", "failed", "undecided"]


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one gate, in one part of the rows where it parts them.

    Attributes:
        gate: What it asks for, in words.
        group: The part of the rows; empty for all.
        rows, positives: What the number was made of.
        value: None where it is not defined.
        low, high: Its interval; None without a confidence, and where there is none.
        why: What decided, where the interval alone did not.
        rates: Of a fairness gate: the rate of each group.
    """

    gate: str
    kind: GateKind
    measure: str
    group: str
    rows: int
    positives: int
    value: float | None
    low: float | None
    high: float | None
    side: Side
    bound: float
    verdict: Verdict
    why: str = ""
    rates: tuple[GroupRate, ...] = ()

    def __str__(self) -> str:
        where = f" ({self.group})" if self.group else ""
        value = "not defined" if self.value is None else f"{self.value:.4g}"
        interval = "" if self.low is None else f" ({self.low:.4g} to {self.high:.4g})"
        because = f": {self.why}" if self.why else ""
        return f"{self.gate}{where}: {value}{interval}, {self.verdict}{because}"


class GateResults(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all gates of a bundle.

    Attributes:
        bundle, model: Digests.
        champion: The bundle compared with; empty where none runs yet.
        data: SHA-256 over names, times, features and labels of the rows judged on.
        first_us, last_us: Event times of the first and the last of them.
        learned_until_us: The end of what the model learned from; None where it is not known
            here, as of an imported model.
        positive: What a positive row is, such as "fraud".
        environment: Name to version of what measured.
    """

    format: Literal[1]
    decision: str
    bundle: str
    model: str
    champion: str
    data: str
    rows: int
    positives: int
    first_us: int
    last_us: int
    learned_until_us: int | None
    threshold: float
    positive: str
    asked: GatesSpec
    gates: tuple[GateResult, ...]
    environment: dict[str, str]

    @property
    def verdict(self) -> Verdict:
        """Failed if a gate is, else undecided if a gate is, else passed."""
        return verdict_of(self.gates)

    @property
    def not_passed(self) -> tuple[str, ...]:
        """A sentence for each gate that was not passed."""
        return tuple(str(one) for one in self.gates if one.verdict != "passed")


def verdict_of(gates: Sequence[GateResult]) -> Verdict:
    """Sum up what came of some gates."""
    found = {one.verdict for one in gates}
    if "failed" in found:
        return "failed"
    return "undecided" if "undecided" in found else "passed"


def encode_results(results: GateResults) -> bytes:
    """Write results in canonical JSON: the same results are the same bytes."""
    return msgspec.json.encode(results, order="sorted")


def read_results(content: bytes) -> GateResults:
    """Read results.

    Raises:
        BadResults: A later version of Kingpost wrote them, or they are none.
    """
    try:
        return msgspec.json.decode(content, type=GateResults)
    except msgspec.MsgspecError as error:
        raise BadResults(str(error)) from error


def gates_section(results: GateResults, digest: str) -> Section:
    """Return what a model card tells of the gates.

    Args:
        digest: Of the bytes that the results were read from.
    """
    return Section("Evaluation gates", tuple(_blocks(results, digest)))


def _blocks(results: GateResults, digest: str) -> Iterator[Block]:
    period = " to ".join(Instant(us).isoformat() for us in (results.first_us, results.last_us))
    yield Paragraph(
        f"Judged on {results.rows:,} rows, {results.positives:,} of them {results.positive}, "
        f"{period}: {_summed(results.verdict, results.asked.undecided)}"
    )
    yield Bullets(
        (
            f"results: sha256 `{digest}`",
            f"bundle: sha256 `{results.bundle}`",
            f"rows judged on: sha256 `{results.data}`",
            f"champion: sha256 `{results.champion}`" if results.champion else "champion: none yet",
            _held_out(results.learned_until_us),
            _decides(results.asked.confidence),
        )
    )
    header = ("gate", "in", "rows", results.positive, "value", "interval", "verdict", "why")
    yield Table(header, tuple(map(_row, results.gates)))
    rates = tuple(
        (one.gate, rate.group, rate.rate, f"{rate.rows:,}", _number(rate.value), _between(rate))
        for one in results.gates
        for rate in one.rates
    )
    if rates:
        yield Table(("gate", "group", "rate", "rows", "value", "interval"), rates)


def _row(one: GateResult) -> tuple[str, ...]:
    return (
        one.gate,
        one.group or "all",
        f"{one.rows:,}",
        f"{one.positives:,}",
        _number(one.value),
        _between(one),
        one.verdict,
        one.why or "–",
    )


def _summed(verdict: Verdict, undecided: Undecided) -> str:
    match verdict:
        case "passed":
            return "all gates passed."
        case "failed":
            return "a gate failed."
        case _:
            accepted = "which this decision accepts" if undecided == "accepted" else "not enough"
            return f"no gate failed, but some are undecided, {accepted}."


def _held_out(learned_until_us: int | None) -> str:
    if learned_until_us is None:
        return "what the model learned from is not known here; the rows were named by a person"
    until = Instant(learned_until_us).isoformat()
    return f"the model learned from nothing after {until}, and each row is later"


def _decides(confidence: float | None) -> str:
    if confidence is None:
        return "the number itself decides"
    return f"the whole interval of {confidence:.0%} must keep the bound"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _between(one: GateResult | GroupRate) -> str:
    return "–" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}"
