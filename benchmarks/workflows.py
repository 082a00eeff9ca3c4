"""Durable workflows. `make bench B=workflows`.

`durable_steps_per_s` beside plain DBOS and LangGraph's SQLite checkpointer;
`kill_duplicates`, `kill_losses` and `kills`: workers killed with SIGKILL before, inside and
behind every step of a workflow of twenty, and at random while many run, with a deployment in
between, on SQLite and, where it can be reached, on PostgreSQL; `timers_missed` of 10,000 that
are due at once; `token_refresh_races` at a flaky service. Beside them: 500 workflows that
wait for people, and how the file grows.
"""

import argparse
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks._figures import figure_at, say
from benchmarks._flaky_service import run_flaky
from benchmarks._workflow_child import Zygote
from benchmarks._workflow_kills import Killed, kill_at_every_place, kill_at_random
from benchmarks._workflow_speed import run_growth, run_speed
from benchmarks._workflow_waits import run_people, run_timers

POSTGRES = os.environ.get(
    "KINGPOST_TEST_POSTGRES", "postgresql://kingpost:kingpost@127.0.0.1:5432/kingpost"
)
STEPS, RANDOM_KILLS = 20, 64


@contextmanager
def _databases(directory: Path) -> Generator[dict[str, Callable[[str], str]]]:
    """Yield what makes a new place for workflows, by the kind of database."""
    schemas: list[str] = []

    def sqlite(name: str) -> str:
        return str(directory / name / "workflows.sqlite")

    def postgres(name: str) -> str:
        schemas.append(f"bench_{name}_{uuid.uuid4().hex[:8]}".replace("-", "_"))
        return f"{POSTGRES}#{schemas[-1]}"

    kinds: dict[str, Callable[[str], str]] = {"sqlite": sqlite}
    try:
        psycopg.connect(POSTGRES, connect_timeout=5).close()
        kinds["postgres"] = postgres
    except psycopg.OperationalError:
        say("workflows: no PostgreSQL (KINGPOST_TEST_POSTGRES), its kills are left out")
    try:
        yield kinds
    finally:
        if schemas:
            with psycopg.connect(POSTGRES, autocommit=True) as connection:
                for schema in schemas:
                    connection.execute(
                        SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema))
                    )


def run_kills(zygote: Zygote, directory: Path, *, steps: int, random_kills: int) -> bool:
    """Print what kills did; say whether nothing was lost, done twice or run again."""
    found: list[Killed] = []
    with _databases(directory) as kinds:
        for kind, place in kinds.items():
            for what in ("every", "random"):
                start, folder = time.perf_counter(), directory / f"{what}-{kind}"
                folder.mkdir()
                where = place(folder.name)
                if what == "every":
                    killed = kill_at_every_place(zygote, where, folder, steps=steps)
                else:
                    kills = random_kills // len(kinds)
                    killed = kill_at_random(zygote, where, folder, kills=kills, seed=1)
                found.append(killed)
                say(f"kills, {what}, {kind}: {killed}, {time.perf_counter() - start:.0f} s")
    at_random = sum(one.kills for one in found[1::2])
    interrupted = sum(one.interrupted for one in found[1::2])
    figure_at("kills", at_random, "random kills", 60, more_is_better=True)
    figure_at("kill_interrupted", interrupted, "running workflows", 1000, more_is_better=True)
    duplicates = sum(one.duplicates for one in found)
    losses = sum(one.losses for one in found)
    figure_at("kill_duplicates", duplicates, "effects", 0, more_is_better=False)
    figure_at("kill_losses", losses, "effects", 0, more_is_better=False)
    return not (duplicates or losses or any(one.ran_again or one.left for one in found))


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.workflows", description=__doc__)
    parser.add_argument("--only", default="speed,growth,people,timers,flaky,kills")
    parser.add_argument("--full", action="store_true", help="twice as many random kills")
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    fine = True
    with tempfile.TemporaryDirectory() as place, Zygote() as zygote:
        directory = Path(place)
        ways: dict[str, Callable[[], bool]] = {
            "speed": lambda: run_speed(zygote, directory),
            "growth": lambda: run_growth(zygote, directory),
            "people": lambda: run_people(zygote, directory),
            "timers": lambda: run_timers(zygote, directory),
            "flaky": run_flaky,
            "kills": lambda: run_kills(
                zygote, directory, steps=STEPS, random_kills=RANDOM_KILLS * (1 + chosen.full)
            ),
        }
        for part in parts:
            if part in ways:
                start = time.perf_counter()
                fine &= ways[part]()
                say(f"{part}: {time.perf_counter() - start:.0f} s in all")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
