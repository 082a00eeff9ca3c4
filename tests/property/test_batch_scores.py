"""A batch answers each row as the server would answer it next, to the bit.

Whatever the journal holds, late, retracted, corrected and erased events too: every row of a batch,
scored among the others, has the answer that a server of its own gives to it alone.
"""

import copy
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.contracts import batch_of, contract_of
from kingpost.decisions import Ask, DataDirectory, Engine, Verdict
from kingpost.decisions.batch.past import read_batch_past
from kingpost.decisions.batch.scoring import score_rows
from kingpost.records import DecisionRecord
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import (
    APPLICATION,
    Chargeback,
    FakeClock,
    Payment,
    open_engine,
    payment,
    served,
)
from tests.written import written

WHERE = DataDirectory(Path("/"))
PAYMENTS, CHARGEBACKS = contract_of(Payment), contract_of(Chargeback)


class ByBits:
    """A model whose score is another one when any bit of a feature is; two amounts break it."""

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        if (rows[:, 0] == 666).any():
            raise ArithmeticError("the model broke")
        found = [zlib.crc32(np.nan_to_num(row, nan=-1).tobytes()) / 2**32 for row in rows]
        return [
            float("nan") if amount == 404 else score
            for amount, score in zip(rows[:, 0].tolist(), found, strict=True)
        ]


class Step(NamedTuple):
    what: Literal["ingest", "retract", "correct", "chargeback", "erase"]
    identifier: str
    amount: float
    card: str
    minute: int


identifiers = st.sampled_from([f"p{at}" for at in range(6)])
cards = st.sampled_from(["c1", "c2"])
steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["ingest", "ingest", "retract", "correct", "chargeback", "erase"]),
        identifier=identifiers,
        amount=st.sampled_from([0.07, 10.0, 19.99]),
        card=cards,
        minute=st.integers(0, 4),
    ),
    max_size=15,
)
rows = st.lists(
    st.builds(
        payment,
        identifiers | st.sampled_from(["new", "newer"]),
        st.sampled_from([0.07, 13.0, 20.0, 404.0, 666.0]),
        card=cards | st.just("unknown"),
        minute=st.integers(0, 4),
    ),
    min_size=1,
    max_size=6,
)


def opened(disk: SimulatedDisk) -> Engine:
    return open_engine(WHERE.data, ByBits(), disk=disk, clock=FakeClock())


def take(engine: Engine, step: Step) -> None:
    body = payment(step.identifier, step.amount, card=step.card, minute=step.minute)
    event = PAYMENTS.decode(body)
    match step.what:
        case "ingest":
            written(lambda landed: engine.ingest("acme", "payment", [(event, body)], landed))
        case "retract":
            written(lambda landed: engine.retract("acme", "payment", step.identifier, landed))
        case "correct":
            written(lambda landed: engine.correct("acme", "payment", event, body, landed))
        case "erase":
            landed = threading.Event()
            engine.erase(
                "acme", "card", step.card, by="ann", reason="", landed=lambda _: landed.set()
            )
            assert landed.wait(10)
        case "chargeback":
            told = (
                f'{{"payment":"{step.identifier}-{step.minute}","at":"2018-07-28T12:00:00Z",'
                f'"known_at":"2018-08-0{1 + step.minute}T00:00:00Z","shop":"s1",'
                f'"fraud":{str(step.amount > 5).lower()}}}'
            ).encode()
            late = CHARGEBACKS.decode(told)
            written(lambda landed: engine.ingest("acme", "chargeback", [(late, told)], landed))


def online(disk: SimulatedDisk, body: bytes) -> DecisionRecord:
    """Ask a server that has a copy of the journal to itself."""
    engine = opened(copy.deepcopy(disk))
    ask = Ask("fraud", "acme", "k", PAYMENTS.decode(body), body, "0", None, None, 0)
    [reply] = written(lambda landed: engine.decide([ask], landed))
    engine.close()
    assert reply.record is not None
    return reply.record


@given(history=steps, asked=rows)
def test_a_row_of_a_batch_has_the_answer_that_the_server_gives_to_it_alone(
    history: list[Step], asked: list[bytes]
) -> None:
    disk = SimulatedDisk()
    engine = opened(disk)
    for step in history:
        take(engine, step)
    engine.close()

    past, _ = read_batch_past(WHERE, APPLICATION.decisions["fraud"], "acme", disk=disk)
    batch = batch_of(PAYMENTS, [PAYMENTS.decode(body) for body in asked])
    scored = score_rows(served(ByBits())["fraud"], past, batch)

    for verdict, body in zip(scored.verdicts, asked, strict=True):
        record = online(disk, body)
        assert verdict == Verdict(record.answer, record.confidence, record.outcome, record.reason)
