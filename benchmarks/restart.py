"""A start with ten million events behind it: seconds from nothing to ready. `make bench B=restart`.

Card payments of 50,000 cards and 1,000 shops, text keys of 36 characters, windows by card
and by shop. All but the last 500,000 are in a snapshot; those follow in the journal, as
lists of 500 the way an upload of events brings them. With `--single` each of them is a
commit of its own, with `--asked` each asked for a decision and has its record.

A new process each time, from its first instruction until the engine takes requests: imports,
the snapshot's check, the journal's tail. The median of the rounds counts. Modules are read as
bytecode, which an installer or the first round has written. `--cold` asks the
system to forget the files before each. `--events` and `--tail` make it smaller.
"""

import argparse
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from benchmarks._figures import figure
from kingpost.contracts import ColumnBatch, Texts, contract_of, events_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    Ask,
    DataDirectory,
    Engine,
    ServedDecision,
    take_snapshot,
)
from kingpost.journal import Entry, Journal

EVENTS, TAIL, ROUNDS = 10_000_000, 500_000, 3
BAR_S = 5.0
PER_ENTRY, PER_UPLOAD, PER_BATCH = 50_000, 500, 32
CARDS, SHOPS = 50_000, 1_000
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
START_US, STEP_US = 1_600_000_000_000_000, 250_000


class Payment(kp.Event):
    """A payment by card."""

    id: kp.Key[str]
    at: kp.EventTime
    card: str
    shop: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Chargeback(kp.Event):
    """What became of a payment, known later."""

    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool


payments, chargebacks = kp.stream(Payment), kp.stream(Chargeback)
spend = payments.by("card").over("1d", "7d", "30d").features(n=kp.count(), mean=kp.mean("amount"))
busy = payments.by("shop").over("1d", "7d", "30d").features(n=kp.count(), sum=kp.sum("amount"))


def _train(_: object) -> object:
    raise NotImplementedError  # nothing is trained here


fraud = kp.decision(
    "fraud",
    request=Payment,
    features=[kp.field("amount"), spend, busy],
    model=kp.model("fraud", trainer=_train, label=chargebacks.label("fraud")),  # pyright: ignore[reportArgumentType]
)
APPLICATION = Application(
    root=Path(),
    path=Path("restart.py"),
    streams={one.name: one for one in (contract_of(Payment), contract_of(Chargeback))},
    decisions={"fraud": fraud},
    sources={},
)


class Start(NamedTuple):
    """What one start took."""

    seconds: float
    cpu_seconds: float
    memory_mb: int
    events: int


class _Half:
    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        return [0.5] * len(rows)


def open_engine(where: DataDirectory) -> Engine:
    """Open the engine as a server does."""
    return Engine.open(
        where.data,
        APPLICATION,
        {"fraud": ServedDecision(fraud, bytes(32), bytes(32), _Half(), 0.5)},
        disk=SystemDisk(),
        clock=SystemClock(),
        snapshots=where.snapshots,
    )


def batches(first: int, end: int, size: int) -> Iterator[ColumnBatch]:
    """Make payments, the same for the same numbers."""
    for start in range(first, end, size):
        rows = min(size, end - start)
        random_ = np.random.default_rng(start)
        numbers = random.Random(start)
        ids = [str(uuid.UUID(int=numbers.getrandbits(128))) for _ in range(rows)]
        yield ColumnBatch(
            rows,
            {
                "id": Texts(np.arange(rows, dtype=np.int32), ids),
                "at": START_US + STEP_US * np.arange(start, start + rows, dtype=np.int64),
                "card": _names("card", random_.integers(0, CARDS, rows)),
                "shop": _names("shop", random_.integers(0, SHOPS, rows)),
                "amount": np.round(random_.lognormal(3.0, 1.0, rows), 2),
            },
            {},
        )


def _names(word: str, numbers: NDArray[np.int64]) -> Texts:
    distinct, codes = np.unique(numbers, return_inverse=True)
    return Texts(codes.astype(np.int32), [f"{word}-{number}" for number in distinct.tolist()])


def fill(where: DataDirectory, events: int, tail: int, kind: str) -> float:
    """Write the journal and the snapshot; return how long the snapshot took."""
    disk, contract = SystemDisk(), contract_of(Payment)
    with Journal.open(where.data, disk=disk, clock=SystemClock()) as journal:
        journal.append([Entry("contract", "", one.name, one.description)
                        for one in APPLICATION.streams.values()])  # fmt: skip
        for batch in batches(0, events - tail, PER_ENTRY):
            journal.append([Entry("events", "acme", contract.name, batch.encode(), batch.rows)])
    started = time.perf_counter()
    take_snapshot(where.data, APPLICATION, APPLICATION.decisions, where.snapshots, disk=disk)
    seconds = time.perf_counter() - started
    if kind == "asked":
        _ask(where, events, tail)
        return seconds
    size = PER_UPLOAD if kind == "lists" else 1
    with Journal.open(where.data, disk=disk, clock=SystemClock()) as journal:
        for batch in batches(events - tail, events, PER_ENTRY):
            journal.submit(list(_commits(batch, size)), lambda _: None)
    return seconds


def _commits(batch: ColumnBatch, size: int) -> Iterator[list[Entry]]:
    contract = contract_of(Payment)
    for start in range(0, batch.rows, size):
        part = batch.take(np.arange(start, min(start + size, batch.rows)))
        if size == 1:
            [event] = events_of(contract, part)
            yield [Entry("event", "acme", contract.name, contract.encode(event))]
        else:
            yield [Entry("events", "acme", contract.name, part.encode(), part.rows)]


def _ask(where: DataDirectory, events: int, tail: int) -> None:
    contract = contract_of(Payment)
    with closing(open_engine(where)) as engine:
        for batch in batches(events - tail, events, PER_ENTRY):
            asks = [
                Ask("fraud", "acme", "key", event, contract.encode(event), "0", None, None, 0)
                for event in events_of(contract, batch)
            ]
            for at in range(0, len(asks), PER_BATCH):
                engine.decide(asks[at : at + PER_BATCH], lambda _: None)


def start(root: Path) -> None:
    """Be the process that starts: say when it is ready, and what it holds."""
    importlib.import_module("kingpost.cli.run")  # what a server imports, too
    with closing(open_engine(DataDirectory(root))) as engine:
        print("ready", time.process_time(), flush=True)
        held = sum(engine.events_held().values())
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        shared = int(Path("/proc/self/statm").read_text().split()[2])
        page = os.sysconf("SC_PAGE_SIZE")
        print(json.dumps([(resident - shared) * page >> 20, held]), flush=True)


def measured_start(root: Path) -> Start:
    """Start a process and wait until it is ready."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.restart", "--start", str(root)]
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kept) as process:
        assert process.stdout is not None
        ready, cpu_seconds = process.stdout.readline().split()
        seconds = time.perf_counter() - began
        assert ready == "ready"
        memory_mb, events = json.loads(process.stdout.readline())
    return Start(seconds, float(cpu_seconds), memory_mb, events)


def forget_files(root: Path) -> None:
    """Ask the system to drop its copy of every file, so that it is read from the disk."""
    for path in root.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def restart_s(
    events: int = EVENTS,
    tail: int = TAIL,
    *,
    kind: str = "lists",
    is_cold: bool = False,
    rounds: int = ROUNDS,
) -> float:
    """Measure the seconds from the start of a process until it is ready, and print the figure.

    Args:
        events: Events in the journal.
        tail: How many of them came after the snapshot.
        kind: How those came: `lists`, `single` or `asked`.
    """
    with tempfile.TemporaryDirectory() as directory:
        where = DataDirectory(Path(directory))
        written_s = fill(where, events, tail, kind)
        starts: list[Start] = []
        for _ in range(rounds):
            if is_cold:
                forget_files(where.root)
            starts.append(measured_start(where.root))
        assert {one.events for one in starts} == {events}
        size_mb = sum(path.stat().st_size for path in where.snapshots.iterdir()) >> 20
    seconds = statistics.median(one.seconds for one in starts)
    shown = ", ".join(f"{one.seconds:.2f}" for one in starts)
    print(
        f"{events:,} events, {tail:,} of them after the snapshot ({kind}"
        f"{', cold' if is_cold else ''}): {shown} s ({starts[0].cpu_seconds:.2f} s of a core); the snapshot of {size_mb} MB took "
        f"{written_s:.1f} s; {starts[0].memory_mb} MB of memory",
        file=sys.stderr,
    )
    figure("restart_s", seconds, "s", "bar of 5 s", BAR_S, more_is_better=False)
    return seconds


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--tail", type=int, default=TAIL)
    parser.add_argument("--single", action="store_const", const="single", dest="kind")
    parser.add_argument("--asked", action="store_const", const="asked", dest="kind")
    parser.add_argument("--cold", action="store_true", dest="is_cold")
    parser.add_argument("--full", action="store_true", help="five rounds")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.start:
        start(chosen.start)
        return
    rounds = 5 if chosen.full else ROUNDS
    kind = chosen.kind or "lists"
    restart_s(chosen.events, chosen.tail, kind=kind, is_cold=chosen.is_cold, rounds=rounds)


if __name__ == "__main__":
    main()
