from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kingpost.contracts import Contract, Event, EventTime, Key, contract_of
from kingpost.core import Place
from kingpost.integrations import (
    Chunk,
    FileSource,
    MemoryRuns,
    Pipeline,
    UnreadableSource,
    intake_sink,
    refresh,
)
from tests.payments import PAYMENT, held, open_intake
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

HOUR_US = 3_600_000_000
HEADER = "id,at,amount,shop\n"


def piped(folder: Path, source: object = None, overlap_us: int = 0) -> Pipeline:
    place = Place(str(folder / "app.py"), 1)
    chosen = source or FileSource("payments.csv")
    return Pipeline("payment", PAYMENT, chosen, HOUR_US, HOUR_US, overlap_us, place)  # pyright: ignore[reportArgumentType] a test's own source


def test_a_run_brings_each_row_once_and_says_what_became_of_it(tmp_path: Path) -> None:
    disk, runs, clock = SimulatedDisk(), MemoryRuns(), StoppedClock()
    file = tmp_path / "payments.csv"
    file.write_text(f"{HEADER}1,2018-08-01T00:01:00Z,1.5,x\n2,2018-08-01T00:02:00Z,-1,x\n")
    with open_intake(disk) as intake:
        sink = intake_sink(intake, "acme")
        first = refresh(piped(tmp_path), sink, runs, tenant="acme", clock=clock)
        file.write_text(f"{HEADER}1,2018-08-01T00:01:00Z,1.5,x\n3,2018-08-01T00:03:00Z,3,y\n")
        second = refresh(piped(tmp_path), sink, runs, tenant="acme", clock=clock)

    assert (first.rows, first.accepted, first.duplicates, first.refused) == (2, 1, 0, 1)
    assert (second.rows, second.accepted, second.duplicates, second.refused) == (2, 1, 1, 0)
    assert len(held(disk)) == 2
    assert second.newest_us is not None
    assert second.newest_us - (first.newest_us or 0) == 120_000_000
    assert list(runs.latest("acme", "payment", 9)) == [second, first]


def test_a_source_that_fails_half_way_keeps_what_it_gave_and_the_reason(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Breaking:
        name = "breaking"
        is_incremental = False

        def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
            yield from FileSource("payments.csv").read(contract, since_us, beside)
            raise UnreadableSource("breaking", "went away", "call somebody")

    disk, runs = SimulatedDisk(), MemoryRuns()
    (tmp_path / "payments.csv").write_text(f"{HEADER}1,2018-08-01T00:01:00Z,1.5,x\n")
    with open_intake(disk) as intake:
        run = refresh(
            piped(tmp_path, Breaking()),
            intake_sink(intake, "acme"),
            runs,
            tenant="acme",
            clock=StoppedClock(),
        )

    assert run.is_failed
    assert run.problem == "unreadable_source: breaking: went away; call somebody"
    assert (run.accepted, run.newest_us is not None) == (1, True)
    assert len(held(disk)) == 1
    assert runs.failures("acme", "payment") == 1


def test_an_incremental_source_is_asked_from_the_newest_event_less_the_overlap(
    tmp_path: Path,
) -> None:
    asked: list[int] = []

    @dataclass(frozen=True)
    class Listening:
        name = "listening"
        is_incremental = True

        def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
            asked.append(since_us)
            return FileSource("payments.csv").read(contract, since_us, beside)

    (tmp_path / "payments.csv").write_text(f"{HEADER}1,1970-01-01T05:00:00Z,1.5,x\n")
    runs, declared = MemoryRuns(), piped(tmp_path, Listening(), overlap_us=HOUR_US)
    with open_intake(SimulatedDisk()) as intake:
        sink = intake_sink(intake, "acme")
        for _ in range(2):
            refresh(declared, sink, runs, tenant="acme", clock=StoppedClock())

    assert asked == [0, 4 * HOUR_US]


def test_an_event_from_the_future_makes_nothing_fresh(tmp_path: Path) -> None:
    class Tick(Event):
        id: Key[int]
        at: EventTime

    (tmp_path / "payments.csv").write_text(
        "id,at\n1,2018-08-01T00:01:00Z\n2,9000-01-01T00:00:00Z\n"
    )
    contract = contract_of(Tick)
    place = Place(str(tmp_path / "app.py"), 1)
    declared = Pipeline("tick", contract, FileSource("payments.csv"), 1, 1, 0, place)
    with open_intake(SimulatedDisk(), contract) as intake:
        run = refresh(
            declared, intake_sink(intake, "acme"), MemoryRuns(), tenant="acme", clock=StoppedClock()
        )

    assert run.accepted == 2
    assert run.newest_us == 1_533_081_660_000_000
