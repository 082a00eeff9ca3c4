"""Serves the small application with a budget of answers, in a process of its own.

python -m tests.fault.exposed_server DIRECTORY
"""

import sys
from pathlib import Path

import kingpost as kp
from kingpost.access import KeyRing
from kingpost.core import SystemClock
from kingpost.serving import (
    EXTRACTION_MIGRATIONS,
    ServingSettings,
    SqliteExtraction,
    build_app,
    serve,
)
from kingpost.storage import migrate, open_database
from tests.e2e.tiny_server import open_keys
from tests.tiny_app import open_engine

__all__ = ["BUDGET"]

BUDGET = 120


def main(directory: Path) -> None:
    exposure = kp.exposure(score_digits=1, budget=f"{BUDGET}/d", entity="card", patterns=())
    clock = SystemClock()
    engine = open_engine(directory / "data", clock=clock, exposure=exposure)
    connection = open_database(directory / "exposure.sqlite")
    migrate(connection, "exposure", EXTRACTION_MIGRATIONS)
    keys = KeyRing(open_keys(directory), clock)
    app = build_app(engine, keys, ServingSettings(), clock, extraction=SqliteExtraction(connection))
    serve(app, "127.0.0.1", 0, 10, ready=lambda at: print(at.url, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
