"""Thieves who ask to rebuild the fraud model, and a client who replays payments.

All in virtual time over the real engine, model and guard, without HTTP. The decision is the one
of solutions/fraud with an exposure (two digits, 1,000 answers a day beyond the ordinary, 20 a
known customer); a card business of 90 days is ingested first. The client then replays the
days after it. Thieves have a valid key, know what a request looks like, and a day:

- `grid`: known customers, amounts and terminals on a grid.
- `random`: customers, terminals and amounts at random.
- `adaptive`: bisects the amount at which the answer of a known customer changes.

A thief is stopped when it has had no more answers than its budget in the day, however often it
asks. How good a copy those answers make is not measured.
"""

import itertools
import json
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

import kingpost as kp
from benchmarks._figures import figure_at, say
from kingpost.access import Principal
from kingpost.contracts import contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    Ask,
    DataDirectory,
    Engine,
    ServedDecision,
    approved_bundle,
    load_application,
    train_decision,
)
from kingpost.integrations import Intake, ingest_chunks
from kingpost.models import OnnxScorer, OutOfTimeSplit
from kingpost.records import DecisionRecord
from kingpost.serving import ExtractionBudgetSpent, ExtractionGuard, MemoryExtraction
from solutions.fraud import app as declared
from solutions.fraud.data import TransactionFiles
from solutions.fraud.simulator import Simulation, simulate, write_parquet
from solutions.fraud.training import PLAN

__all__ = ["run_extraction"]

APP = Path(__file__).parents[1] / "solutions" / "fraud" / "app.py"
BUDGET, DIGITS = 1_000, 2
HISTORY = Simulation(days=90, customers=1_000, terminals=2_000)
LIVE_DAYS = 15
ATTEMPTS = 6_000
SEEDS = 3
Asked = dict[str, object]
Thief = Generator[Asked, "float | None", None]


class SetClock(SystemClock):
    """Shows the time of the simulation; lengths of time are the machine's."""

    us = 0

    def now_us(self) -> int:
        return self.us


class House:
    """The engine with the guard before it."""

    def __init__(self, where: DataDirectory) -> None:
        self.clock, disk = SetClock(), SystemDisk()
        application = load_application(APP)
        exposure = kp.exposure(score_digits=DIGITS, budget=f"{BUDGET}/d", entity="customer")
        fraud = replace(application.decisions["fraud"], exposure=exposure)
        control = where.control_log(disk=disk, clock=self.clock)
        bundle = approved_bundle(control, "fraud")
        model = where.artefacts(disk=disk).get(bundle.model)
        digests = (bytes.fromhex(bundle.digest), bytes.fromhex(bundle.model))
        served = ServedDecision(fraud, *digests, OnnxScorer(model), bundle.threshold)
        self.suspects: list[tuple[str, str]] = []
        self.engine = Engine.open(
            where.data, application, {"fraud": served}, disk=disk, clock=self.clock
        )
        self.guard = ExtractionGuard(
            served,
            exposure,
            MemoryExtraction(),
            self.clock,
            lambda tenant, value: self.engine.holds(tenant, "transaction", "customer", value),
            lambda who, found, _: self.suspects.append((who.principal, found.pattern)),
        )
        self._decode = fraud.request.decode

    def ask(self, principal: Principal, asked: list[Asked]) -> list[DecisionRecord | None]:
        """Ask as one batch; None where it was refused."""
        asks: list[Ask] = []
        let_in: list[bool] = []
        for one in asked:
            body = json.dumps(one).encode()
            event = self._decode(body)
            try:
                self.guard.admit(principal, event)
            except ExtractionBudgetSpent:
                let_in.append(False)
                continue
            let_in.append(True)
            asks.append(
                Ask("fraud", "bench", principal.id, event, body, "", None, None,
                    self.clock.monotonic_ns())
            )  # fmt: skip
        replies = iter(self.engine.decide(asks, lambda _: None)[0] if asks else ())
        records = [next(replies).record if each else None for each in let_in]
        for record in records:
            if record is not None:
                self.guard.learn(record)
        return records


def run_extraction() -> bool:
    """Simulate, print the figures, and say whether the bars were met."""
    with tempfile.TemporaryDirectory(prefix="kingpost-bench-") as name:
        where = DataDirectory(Path(name) / "data")
        say("extraction: training the fraud model")
        live, payments = _prepare(Path(name), where)
        house = House(where)
        say(f"extraction: a client replays {len(payments):,} payments")
        refused = _replay(house, payments)
        stopped: list[bool] = []
        numbers = itertools.count(10**12)
        at = live + timedelta(days=LIVE_DAYS)
        for name, seed in itertools.product(THIEVES, range(SEEDS)):
            stopped.append(_rob(house, name, seed, numbers, at))
        house.engine.close()
    figure_at("extraction_stopped", sum(stopped) / len(stopped), "share", 1, more_is_better=True)
    figure_at("extraction_false_refusals", refused, "answers", 0, more_is_better=False)
    return all(stopped) and not refused


def _prepare(directory: Path, where: DataDirectory) -> tuple[datetime, list[Asked]]:
    """Ingest and train on the first days; return when they end, and the payments after them."""
    table = simulate(replace(HISTORY, days=HISTORY.days + LIVE_DAYS))
    live = datetime.combine(HISTORY.start, datetime.min.time(), UTC) + timedelta(days=HISTORY.days)
    is_past = table["TX_DATETIME"] < np.datetime64(live.replace(tzinfo=None))
    data = directory / "transactions.parquet"
    write_parquet({name: column[is_past] for name, column in table.items()}, data)
    disk, clock = SystemDisk(), SystemClock()
    files = TransactionFiles.find(data)
    streams = [contract_of(declared.Transaction), contract_of(declared.Verdict)]
    with Intake.open(where.data, streams, disk=disk, clock=clock) as intake:
        for contract, chunks in zip(streams, (files.transactions(), files.verdicts()), strict=True):
            ingest_chunks(intake, contract, chunks, tenant="bench", source=str(data))
    application = load_application(APP)
    split = OutOfTimeSplit(live - timedelta(days=14), live - timedelta(days=7), live)
    trained = train_decision(
        application, application.decisions["fraud"], where, replace(PLAN, split=split),
        tenant="bench", by="bench", disk=disk, clock=clock,
    )  # fmt: skip
    control = where.control_log(disk=disk, clock=clock)
    control.approve(
        "fraud", trained.bundle.digest, by="bench", reason="benchmark", override="it is small"
    )
    columns = [table[name][~is_past].tolist() for name in (
        "TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT"
    )]  # fmt: skip
    return live, [
        {"id": key, "at": at.isoformat() + "Z", "customer": who, "terminal": place, "amount": sum_}
        for key, at, who, place, sum_ in zip(*columns, strict=True)
    ]


def _replay(house: House, payments: list[Asked]) -> int:
    client = Principal("shop", "bench", frozenset({"decide"}))
    refused = 0
    for start in range(0, len(payments), 64):
        batch = payments[start : start + 64]
        house.clock.us = _us(str(batch[-1]["at"]))
        refused += sum(record is None for record in house.ask(client, batch))
    say(f"extraction: refused {refused}, suspected {house.suspects}, "
        f"left {house.guard.left(client)} of {BUDGET}")  # fmt: skip
    return refused


def _rob(house: House, name: str, seed: int, numbers: Iterator[int], at: datetime) -> bool:
    """Let a thief ask for a day; say whether it was stopped within its budget."""
    thief = THIEVES[name](np.random.default_rng(seed))
    principal = Principal(f"{name}-{seed}", "bench", frozenset({"decide"}))
    asked, answers = next(thief), 0
    for attempt in range(ATTEMPTS):
        moment = at + timedelta(seconds=attempt * 86_000 / ATTEMPTS)
        house.clock.us = int(moment.timestamp() * 1e6)
        whole = {"id": next(numbers), "at": moment.isoformat(), **asked}
        record = house.ask(principal, [whole])[0]
        score = None
        if record is not None:
            answers += 1
            score = round(_score(record), DIGITS)
        asked = thief.send(score)
    found = next((pattern for who, pattern in house.suspects if who == principal.id), "nothing")
    say(f"extraction: {name} asked {ATTEMPTS:,} times, had {answers:,} answers, found: {found}")
    return answers <= BUDGET


def _grid(rng: np.random.Generator) -> Thief:
    customers = rng.integers(HISTORY.customers, size=20).tolist()
    terminals = rng.integers(HISTORY.terminals, size=20).tolist()
    amounts = [12.5 * step for step in range(1, 30)]
    for customer, amount, terminal in itertools.cycle(
        itertools.product(customers, amounts, terminals)
    ):
        yield {"customer": customer, "terminal": terminal, "amount": amount}


def _random(rng: np.random.Generator) -> Thief:
    while True:
        yield {
            "customer": int(rng.integers(10 * HISTORY.customers)),
            "terminal": int(rng.integers(10 * HISTORY.terminals)),
            "amount": round(float(rng.uniform(0, 500)), 2),
        }


def _adaptive(rng: np.random.Generator) -> Thief:
    while True:
        asked = {
            "customer": int(rng.integers(HISTORY.customers)),
            "terminal": int(rng.integers(HISTORY.terminals)),
        }
        low, high = 0.0, 1_000.0
        for _ in range(12):
            amount = round((low + high) / 2, 2)
            score = yield {**asked, "amount": amount}
            if score is not None and score >= 0.5:
                high = amount
            else:
                low = amount


THIEVES: dict[str, Callable[[np.random.Generator], Thief]] = {
    "grid": _grid,
    "random": _random,
    "adaptive": _adaptive,
}


def _score(record: DecisionRecord) -> float:
    values = json.loads(record.answer)
    return record.confidence if values is None else float(values["score"])


def _us(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1e6)
