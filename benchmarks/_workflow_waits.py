"""Workflows that wait: 10,000 timers that are due at once, 500 questions to people."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

from benchmarks._figures import figure_at, say
from benchmarks._workflow_child import Zygote

__all__ = ["run_people", "run_timers"]

TIMERS, PEOPLE = 10_000, 500
BATCH = 2_500
DUE_IN_S = 5.0


def run_timers(zygote: Zygote, directory: Path, *, timers: int = TIMERS) -> bool:
    """Print `timers_missed`: timers that fired never, or more than once."""
    folder = directory / "timers"
    folder.mkdir()
    where, log = str(folder / "workflows.sqlite"), folder / "fired.log"
    start = time.perf_counter()
    due = time.time() + DUE_IN_S
    for first in range(0, timers, BATCH):
        calls = [[number] for number in range(first, min(timers, first + BATCH))]
        zygote.run("start", where=where, workflow="ticked", calls=calls, first=first, at=due)
    say(f"timers: {timers:,} set in {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    zygote.run("work", where=where, plan={"log": str(log)}, seconds=300.0)
    fired = Counter(line.split()[1] for line in log.read_text().splitlines())
    say(f"timers: {len(fired):,} fired in {time.perf_counter() - start:.0f} s")
    wrong = timers - sum(1 for times in fired.values() if times == 1)
    figure_at("timers_missed", wrong, "timers", 0, more_is_better=False)
    return wrong == 0


def run_people(zygote: Zygote, directory: Path, *, people: int = PEOPLE) -> bool:
    """Let workflows wait for people over a kill; say whether all went on and held no thread."""
    folder = directory / "people"
    folder.mkdir()
    where, asked = str(folder / "workflows.sqlite"), folder / "asked"
    asked.mkdir()
    zygote.run("start", where=where, workflow="asks", calls=[[n] for n in range(people)])
    pid = zygote.start("work", where=where, people=str(asked), seconds=300.0)
    _until_asked(asked, people)
    time.sleep(2)
    threads = _threads(pid)
    os.kill(pid, signal.SIGKILL)
    zygote.ended()
    (asked / "yes").touch()
    zygote.run("work", where=where, people=str(asked), seconds=200.0)
    states = zygote.run("states", where=where)["found"]
    say(f"people: {people} waited with {threads} threads in all; after a kill: {states}")
    return states == {"done": people} and threads < people / 4


def _until_asked(folder: Path, people: int) -> None:
    end = time.monotonic() + 120
    while len(list(folder.glob("*.question"))) < people:
        assert time.monotonic() < end, "not all have asked"
        time.sleep(0.2)


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))
