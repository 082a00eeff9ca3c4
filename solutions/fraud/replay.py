"""A past week as live traffic: each transaction asks for a decision, verdicts come between.

Requests leave in the order of the transactions' times, each at most once and as fast as
the server answers; at every full hour of stream time, the verdicts that have become known
are posted before the next transaction. With several requests in flight neighbours may
arrive in another order, as they do in life. A decision that failed, such as one that waited
longer than its budget on a busy machine, is on record and is asked for again at the end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.calls import Answer, LoadClient, LoadReport
from kingpost.contracts import ColumnBatch
from solutions.ground.asking import ask_all

__all__ = ["Call", "Decided", "Replayed", "calls_of", "joined", "replay", "send"]

HOUR_US = 3_600_000_000
DECISIONS, VERDICTS = "/v1/decisions/fraud", "/v1/events/verdict"
JSON, JSON_LINES = "application/json", "application/x-ndjson"


class Decided(NamedTuple):
    """One answered transaction, in the order of sending.

    Attributes:
        record: The id of the decision record.
        score: The probability of fraud; None where there was no score.
    """

    record: str
    outcome: str
    score: float | None


@dataclass(frozen=True)
class Replayed:
    """What came of a replay.

    Attributes:
        verdicts: How many verdicts were posted between the decisions.
        retried: How often a decision failed, was recorded so, and was asked for again.
        decisions_per_s: Decisions over the whole time, in which verdicts were posted too.
        p50_ms: Median latency of a decision, as the client sees it.
    """

    decided: list[Decided]
    verdicts: int
    retried: int
    decisions_per_s: float
    p50_ms: float
    p99_ms: float
    wall_s: float


class _Fraud(msgspec.Struct):
    score: float | None = None


class _Decision(msgspec.Struct):
    id: str
    outcome: str
    answer: _Fraud | None = None


class Call(NamedTuple):
    """A request to the server.

    Attributes:
        verdicts: How many it posts; 0 where it asks for a decision.
        key: The transaction that is asked about; empty where verdicts are posted.
        moment: When it happened, ISO 8601; empty likewise.
    """

    path: str
    body: bytes
    verdicts: int
    key: str = ""
    moment: str = ""


def replay(client: LoadClient, transactions: ColumnBatch, verdicts: ColumnBatch) -> Replayed:
    """Send transactions and verdicts to a running server.

    Args:
        transactions: Events of the stream `transaction`, in the order of time.
        verdicts: Events of the stream `verdict`, in the order in which they became known.

    Raises:
        NotAnswered: A request was refused, failed or was not answered.
        ServerUnreachable: There is no server.
    """
    return send(client, calls_of(transactions, verdicts))


def send(client: LoadClient, calls: list[Call]) -> Replayed:
    """Send what `calls_of` made, all of it or a part.

    Raises:
        NotAnswered, ServerUnreachable: As `replay`.
    """
    requests = [
        client.post(call.path, call.body, JSON_LINES if call.verdicts else JSON) for call in calls
    ]
    report, retried = ask_all(client, requests)
    decisions = sorted(a for a in report.answers if not calls[a.call].verdicts)
    only = LoadReport(decisions, report.complete, report.wall_s)
    return Replayed(
        decided=[_decided(answer) for answer in decisions],
        verdicts=sum(call.verdicts for call in calls),
        retried=retried,
        decisions_per_s=only.per_second(),
        p50_ms=only.latency_ms(50),
        p99_ms=only.latency_ms(99),
        wall_s=report.wall_s,
    )


def joined(parts: Sequence[Replayed]) -> Replayed:
    """Take parts of a replay, one or more, for one; latencies are those of the slowest part."""
    wall_s = sum(one.wall_s for one in parts)
    decided = [decided for one in parts for decided in one.decided]
    return Replayed(
        decided=decided,
        verdicts=sum(one.verdicts for one in parts),
        retried=sum(one.retried for one in parts),
        decisions_per_s=len(decided) / wall_s,
        p50_ms=max(one.p50_ms for one in parts),
        p99_ms=max(one.p99_ms for one in parts),
        wall_s=wall_s,
    )


_decode = msgspec.json.Decoder(_Decision).decode


def _decided(answer: Answer) -> Decided:
    decision = _decode(answer.body)
    score = decision.answer.score if decision.answer else None
    return Decided(decision.id, decision.outcome, score)


def calls_of(transactions: ColumnBatch, verdicts: ColumnBatch) -> list[Call]:
    """Merge both by time: a batch of verdicts goes before what happened after them."""
    return list(_calls(transactions, verdicts))


def _calls(transactions: ColumnBatch, verdicts: ColumnBatch) -> Iterator[Call]:
    bodies = _transaction_bodies(transactions)
    lines = _verdict_lines(verdicts)
    hour = _int64(transactions, "at") // HOUR_US * HOUR_US
    known = np.searchsorted(_int64(verdicts, "known_at"), hour, "right")
    posted = 0
    keys, moments = transactions.values("id"), _texts(transactions, "at")
    for key, moment, body, until in zip(keys, moments, bodies, known.tolist(), strict=True):
        if until > posted:
            yield Call(VERDICTS, b"\n".join(lines[posted:until]), until - posted)
            posted = until
        yield Call(DECISIONS, body, 0, str(key), moment)
    if posted < len(lines):
        yield Call(VERDICTS, b"\n".join(lines[posted:]), len(lines) - posted)


def _transaction_bodies(batch: ColumnBatch) -> list[bytes]:
    columns = [batch.values(name) for name in ("id", "customer", "terminal", "amount")]
    return [
        f'{{"id":{key},"at":"{at}","customer":{customer},"terminal":{terminal},'
        f'"amount":{amount!r}}}'.encode()
        for at, key, customer, terminal, amount in zip(_texts(batch, "at"), *columns, strict=True)
    ]


def _verdict_lines(batch: ColumnBatch) -> list[bytes]:
    columns = [batch.values(name) for name in ("transaction", "terminal", "fraud", "loss")]
    return [
        f'{{"transaction":{key},"at":"{at}","known_at":"{known_at}","terminal":{terminal},'
        f'"fraud":{"true" if fraud else "false"},"loss":{loss!r}}}'.encode()
        for at, known_at, key, terminal, fraud, loss in zip(
            _texts(batch, "at"), _texts(batch, "known_at"), *columns, strict=True
        )
    ]


def _int64(batch: ColumnBatch, name: str) -> NDArray[np.int64]:
    return batch.numbers(name).astype(np.int64, copy=False)


def _texts(batch: ColumnBatch, name: str) -> list[str]:
    moments = _int64(batch, name).astype("datetime64[us]")
    return np.datetime_as_string(moments, timezone="UTC").tolist()
