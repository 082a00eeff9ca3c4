"""Durable steps a second, beside plain DBOS and LangGraph, and what a step takes on disk.

Each way in a process of its own, by turns, medians: workflows of five steps that do
nothing, one after another, each step durable before the next one begins (`dbos` with its own
SQLite settings, `dbos-wal` with the write-ahead log that we use; LangGraph's SqliteSaver with
durability "sync").
"""

import json
import os
import shutil
import statistics
import subprocess
from pathlib import Path

from benchmarks._figures import PEERS, figure, peer_python, say
from benchmarks._workflow_child import Zygote

__all__ = ["run_growth", "run_speed"]

ROUNDS, COUNT = 5, 100
PEERS_OF_STEPS = ("dbos", "dbos-wal", "langgraph")
GROWING = (200, 400, 800, 1600)


def run_speed(zygote: Zygote, directory: Path) -> bool:
    """Print `durable_steps_per_s` against each peer; say whether it is 0.9 of DBOS or more, whose best
    settings count."""
    python = peer_python("steps")
    rates: dict[str, list[float]] = {way: [] for way in ("kingpost", *PEERS_OF_STEPS)}
    waiting: list[float] = []
    for number in range(ROUNDS):
        for way, found_rates in rates.items():
            folder = directory / f"speed-{way}-{number}"
            folder.mkdir()
            found = _ours(zygote, folder) if way == "kingpost" else _peer(python, way, folder)
            found_rates.append(found["steps_per_s"])
            if way == "kingpost":
                waiting.append(found["async_steps_per_s"])
            say(
                f"speed round {number + 1} {way}: {found['steps_per_s']:,.0f} steps/s, "
                f"{found['cpu_ms_per_step']:.2f} ms of CPU a step"
            )
            shutil.rmtree(folder)
    medians = {way: statistics.median(some) for way, some in rates.items()}
    say(f"speed of `async def` workflows: {statistics.median(waiting):,.0f} steps/s")
    for peer in PEERS_OF_STEPS:
        figure(
            "durable_steps_per_s", medians["kingpost"], "1/s", peer, medians[peer],
            more_is_better=True,
        )  # fmt: skip
    return medians["kingpost"] >= 0.9 * max(medians["dbos"], medians["dbos-wal"])


def _ours(zygote: Zygote, folder: Path) -> dict[str, float]:
    where = str(folder / "workflows.sqlite")
    return zygote.run("steps_per_s", where=where, count=COUNT)["found"]


def _peer(python: Path, way: str, folder: Path) -> dict[str, float]:
    path = folder / "state.sqlite"
    where = ["--path", str(path)]
    if way.startswith("dbos"):
        where = ["--url", f"sqlite:///{path}", *(["--wal"] if way == "dbos-wal" else [])]
    done = subprocess.run(
        [
            python,
            PEERS / "steps" / f"{way.removesuffix('-wal')}_steps.py",
            *where,
            "--count",
            str(COUNT),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def run_growth(zygote: Zygote, directory: Path) -> bool:
    """Say how the file grows with steps; fail where it does not grow with their number."""
    folder = directory / "growth"
    folder.mkdir()
    where = str(folder / "workflows.sqlite")
    sizes = zygote.run("grow", where=where, steps=list(GROWING))["found"]
    each = [
        (after - before) / steps
        for before, after, steps in zip(sizes[:-1], sizes[1:], GROWING[1:], strict=True)
    ]
    told = ", ".join(
        f"{steps:,} more: {bytes_:,.0f} bytes a step"
        for steps, bytes_ in zip(GROWING[1:], each, strict=True)
    )
    say(f"growth, steps that return 100 bytes: {told}")
    return max(each) < 2 * min(each)
