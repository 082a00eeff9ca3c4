"""Reading one record by its id among ten million, as `GET /v1/records/{id}` does: the index,
then the journal. Ids are asked in no order, and few pages of the journal are in memory.
"""

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from msgspec.structs import replace

from benchmarks._figures import figure_at, say
from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import Entry, Journal, Lookup
from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    Outcome,
    RecordIndex,
    Stages,
    decode_record,
    encode_record,
)

__all__ = ["run_retrieval", "write_records"]

RECORDS = 10_000_000
FEW = 200_000
READS = 2_000
BAR_MS = 10.0
_AT_ONCE = 5_000


def run_retrieval(full: bool) -> bool:
    """Write so many records, read some by their ids, and print the figures; say if they hold."""
    records = RECORDS if full else FEW
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as temporary:
        directory = Path(temporary) / "data"
        say(f"writing {records:,} records")
        index = write_records(directory, records)
        took = _read(directory, index, records)
    took.sort()
    figures = {
        "record_by_id_ms": took[len(took) // 2],
        "record_by_id_p99_ms": took[len(took) * 99 // 100],
    }
    for name, milliseconds in figures.items():
        figure_at(name, milliseconds, "ms", BAR_MS, more_is_better=False)
    return all(milliseconds < BAR_MS for milliseconds in figures.values())


def write_records(directory: Path, records: int) -> RecordIndex:
    """Write commits of an event and its record; return the index as the server has it."""
    index, offset = RecordIndex(), 0
    with Journal.open(directory, disk=SystemDisk(), clock=SystemClock()) as journal:
        for some in _commits(records):
            for identifier, _ in some:
                index.add(identifier, offset + 1)
                offset += 2
            journal.submit([commit for _, commit in some], lambda _: None)
            journal.append([Entry("mark", "", "", b"")])  # bounds what waits in memory
            offset += 1
    return index


def _commits(records: int) -> Iterator[list[tuple[bytes, Sequence[Entry]]]]:
    record = _record()
    chance = np.random.default_rng(7)
    for start in range(0, records, _AT_ONCE):
        features = chance.random((_AT_ONCE, 10))
        some: list[tuple[bytes, Sequence[Entry]]] = []
        for number in range(start, min(start + _AT_ONCE, records)):
            made = replace(
                record,
                id=number.to_bytes(8) + chance.bytes(8),
                at_us=record.at_us + number * 1_000,
                event_time_us=record.event_time_us + number * 1_000,
                trace_id=chance.bytes(16).hex(),
                event_key=f"transaction-{number}",
                event_offset=2 * number,
                position=f"data:{2 * number}",
                features=features[number - start].tobytes(),
                principal=f"key-{number % 7}",
            )
            event = Entry("event", "acme", "transactions", _event(number))
            some.append((made.id, [event, Entry("record", "acme", "fraud", encode_record(made))]))
        yield some


def _event(number: int) -> bytes:
    """Write an event of 200 bytes."""
    text = (
        f'{{"id":"transaction-{number}","at":"2026-09-21T14:13:20.{number % 1000:03d}Z",'
        f'"customer":"customer-{number % 5000}","terminal":"terminal-{number % 300}","amount":12.5'
    )
    return (text + f',"note":"{"x" * (189 - len(text))}"}}').encode()


def _record() -> DecisionRecord:
    return DecisionRecord(
        format=RECORD_FORMAT,
        id=b"i" * 16,
        at_us=1_790_000_000_000_000,
        decision="fraud",
        bundle=b"b" * 32,
        model=b"m" * 32,
        principal="key-1",
        tenant="acme",
        trace_id="0" * 32,
        session=None,
        idempotency_key=None,
        request_digest=bytes(32),
        event_key="transaction-1",
        event_offset=1,
        position="data:1",
        features=np.zeros(10).tobytes(),
        unavailable=(),
        answer=b'{"fraud":false,"score":0.0123}',
        confidence=0.98,
        outcome=Outcome.DECIDED,
        reason="",
        stages=Stages(100, 200, 300, 10),
        event_time_us=1_790_000_000_000_000,
    )


def _read(directory: Path, index: RecordIndex, records: int) -> list[float]:
    """Read records in no order through a new lookup; return each one's milliseconds."""
    _forget(directory)
    chosen = random.Random(7).sample(range(records), min(READS, records))
    lookup = Lookup(directory, disk=SystemDisk())
    took: list[float] = []
    for number in chosen:
        identifier = index[number]
        start = perf_counter()
        offset = index.offset_of(identifier)
        assert offset is not None
        entry = lookup.read(offset).entry_at(offset)
        assert entry is not None
        record = decode_record(entry.body)
        took.append((perf_counter() - start) * 1e3)
        assert record.id == identifier
    lookup.close()
    return took


def _forget(directory: Path) -> None:
    """Ask the system to drop the journal from memory: most records are read from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in directory.glob("*.log"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
