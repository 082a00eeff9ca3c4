"""The figures of drift: speed, memory, values, false alarms, detection. `make bench B=drift`.

Part `speed` holds ours against Evidently's report and against Polars by hand, part `windows`
counts false alarms and how many rows a small shift takes to be found; each runs alone with
ARGS="--only speed". Evidently runs once unless FULL=1: it takes minutes.

Without DATA (a Parquet file of the Fraud Detection Handbook's columns, or a folder of them)
the weeks of `windows` are simulated.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._backfill import one_file
from benchmarks._drift_speed import run_speed
from benchmarks._drift_windows import run_windows
from benchmarks._figures import say


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.drift", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or None)
    parser.add_argument("--full", action="store_true", help="repeat Evidently, not once")
    parser.add_argument("--only", help="some parts, with commas between them")
    chosen = parser.parse_args()
    data = Path(chosen.data) if chosen.data else None
    parts: dict[str, Callable[[Path], bool]] = {
        "speed": lambda scratch: run_speed(scratch, full=chosen.full),
        "windows": lambda scratch: run_windows(one_file(data, scratch)),
    }
    wanted = chosen.only.split(",") if chosen.only else list(parts)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        sys.exit(f"--only {unknown[0]}: give some of {', '.join(parts)}")
    fine = True
    for name in wanted:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kingpost-bench-") as scratch:
            fine &= parts[name](Path(scratch))
        say(f"{name}: {time.monotonic() - start:.0f} s in all")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
