"""`kill -9` while a file is taken in: nothing acknowledged is lost, a second run completes it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kingpost.contracts import decode_batch
from kingpost.core import SystemDisk
from kingpost.integrations import quarantined
from kingpost.journal import scan
from tests.payments import PAYMENT

ROOT = Path(__file__).parents[2]
ROWS = 220_000
BAD_EVERY = 5_000
BAD = range(0, ROWS, BAD_EVERY)

# tells after each chunk what is durable; the parent kills it
INGEST = """
import sys
from pathlib import Path
from kingpost.core import SystemClock, SystemDisk
from kingpost.integrations import Intake, ingest_file
from tests.payments import PAYMENT

def tell(report, share):
    print(report.rows, flush=True)

with Intake.open(Path(sys.argv[1]), [PAYMENT], disk=SystemDisk(), clock=SystemClock()) as intake:
    print("open", flush=True)
    report = ingest_file(intake, PAYMENT, Path(sys.argv[2]), tenant="acme", on_progress=tell)
    print(report.rows, report.accepted, report.duplicates, report.quarantined, flush=True)
"""


def start(partition: Path, source: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", INGEST, str(partition), str(source)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def ingest_until(partition: Path, source: Path, lines: int, wait_s: float) -> Sequence[str]:
    """Start it, kill it some time after it told so many lines, and return all it told."""
    with start(partition, source) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL, "the file is too short: it was through already"
    return [line for line in told if line.endswith("\n")]


def ingest_all(partition: Path, source: Path) -> list[int]:
    with start(partition, source) as process:
        assert process.stdout is not None
        told = process.stdout.readlines()
    assert process.returncode == 0
    return [int(word) for word in told[-1].split()]


def held_ids(partition: Path) -> list[object]:
    return [
        number
        for commit in scan(partition, disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "events"
        for number in decode_batch(entry.body, PAYMENT).values("id")
    ]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "rows.jsonl"
    at = '"at":"2018-08-01T00:00:00Z"'
    path.write_text(
        "".join(f'{{"id":{n},{at},"amount":{-1 if n in BAD else 1}}}\n' for n in range(ROWS))
    )
    return path


def test_a_killed_ingest_loses_nothing_acknowledged_and_a_second_run_completes_it(
    source: Path, tmp_path: Path
) -> None:
    partition = tmp_path / "data"
    good = [n for n in range(ROWS) if n not in BAD]
    # at once; in the middle of a chunk; right after one; well into the next
    for lines, wait_s in ((1, 0.0), (1, 0.15), (2, 0.0), (2, 0.2)):
        told = ingest_until(partition, source, lines, wait_s)

        acknowledged = max((int(line) for line in told[1:]), default=0)
        held = held_ids(partition)
        quarantine = quarantined(partition, disk=SystemDisk())
        assert held == good[: len(held)], "a prefix of the file: no gap, nothing twice"
        assert [row.row - 1 for row in quarantine] == list(BAD)[: len(quarantine)]
        assert len(held) >= acknowledged - len(range(0, acknowledged, BAD_EVERY))
        assert len(quarantine) >= len(range(0, acknowledged, BAD_EVERY))

    rows, accepted, duplicates, newly_kept = ingest_all(partition, source)
    assert rows == ROWS
    assert 0 < accepted < ROWS
    assert accepted + duplicates + newly_kept == ROWS
    assert held_ids(partition) == good
    assert len(quarantined(partition, disk=SystemDisk())) == len(BAD)

    assert ingest_all(partition, source) == [ROWS, 0, ROWS, 0]
    assert held_ids(partition) == good
