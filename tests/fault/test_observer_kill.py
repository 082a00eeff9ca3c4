"""`kill -9` of the observer: what it keeps is what an undisturbed one would have kept."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from kingpost.core import SystemDisk
from kingpost.records import Outcome
from tests.fault.observing import PER_MINUTE
from tests.observed_journal import ObservedJournal, everything

RECORDS = 8_000
DRIFT_AT = 5_000
KILLS = 7


def write(directory: Path) -> None:
    """Write decisions whose amounts change, labels that come later, and reviews."""
    rng = np.random.default_rng(7)
    amounts = rng.gamma(4, 5, RECORDS)
    amounts[DRIFT_AT:] *= 100
    scores = rng.beta(2, 8, RECORDS)
    house = ObservedJournal(directory, disk=SystemDisk())
    waiting: list[bytes] = []
    with house.together():
        for number in range(RECORDS):
            is_reviewed = scores[number] > 0.35
            identifier = house.decide(
                f"p{number}",
                outcome=Outcome.REVIEW if is_reviewed else Outcome.DECIDED,
                score=float(scores[number]),
                amount=float(amounts[number]),
                minute=number / PER_MINUTE,
            )
            if is_reviewed:
                waiting.append(identifier)
            if number % 200 == 199 and number > 1000:
                learned = range(number - 1000, number - 800)
                house.learn(*((f"p{at}", bool(scores[at] > 0.4)) for at in learned))
            if number % 10 == 9 and waiting:
                house.review(waiting.pop(0), positive=number % 20 == 9)
    house.close()


def start(directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fault.observing", str(directory), "100"],
        stdout=subprocess.PIPE,
        text=True,
    )


def told(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines if line.startswith("incident")}


def killed_after(directory: Path, steps: int, delay_s: float) -> list[str]:
    """Run an observer, kill it in the middle of a step, and return what it had said."""
    observer = start(directory)
    assert observer.stdout is not None
    lines: list[str] = []
    with observer:
        while sum(line == "step" for line in lines) < steps:
            lines.append(observer.stdout.readline().strip())
            assert lines[-1] not in ("", "end"), "the kill came before the end"
        time.sleep(delay_s)
        observer.kill()
        return lines + observer.stdout.read().split("\n")


def run_to_the_end(directory: Path) -> list[str]:
    observer = start(directory)
    lines = observer.communicate(timeout=300)[0].splitlines()
    assert observer.returncode == 0
    assert lines[-1] == "end"
    return lines


def test_an_observer_that_was_killed_again_and_again_keeps_what_another_keeps(
    tmp_path: Path,
) -> None:
    write(tmp_path / "calm")
    shutil.copytree(tmp_path / "calm", tmp_path / "killed")
    calm = run_to_the_end(tmp_path / "calm")

    rng = np.random.default_rng(1)
    lines: list[str] = []
    for _ in range(KILLS):
        lines += killed_after(tmp_path / "killed", int(rng.integers(1, 8)), rng.uniform(0, 0.02))
    lines += run_to_the_end(tmp_path / "killed")

    assert told(calm), "the drift was found"
    assert told(lines) == told(calm)
    databases = ("observed.sqlite", "tasks.sqlite")
    left, right = (
        everything(*(tmp_path / name / one for one in databases)) for name in ("calm", "killed")
    )
    assert len(left["record_lines"]) == RECORDS
    assert left["incidents"]
    assert {name: rows == right[name] for name, rows in left.items()} == dict.fromkeys(left, True)
