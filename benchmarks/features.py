"""The figures of features: joins, backfill, online, contract, stores. `make bench B=features`.

Each part runs alone with ARGS="--only asof", or several as "--only asof,online"; what each
measures stands in its module. FULL=1 repeats the slow peers. `growth` (backfill of 1 to 50 M
events, 6 GB) runs only when it is named.

Without DATA (a Parquet file of the Fraud Detection Handbook's columns, or a folder of them)
the transactions of `backfill` and `online` are simulated.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._asof import run_asof
from benchmarks._backfill import one_file, run_backfill
from benchmarks._contract import run_contract
from benchmarks._figures import say
from benchmarks._growth import run_growth
from benchmarks._online import run_online
from benchmarks._redis import run_redis


def run_restart() -> bool:
    """Print `restart_s`, by its own benchmark."""
    command = [sys.executable, "-m", "benchmarks.restart"]
    return subprocess.run(command, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.features", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or None)
    parser.add_argument("--full", action="store_true", help="repeat the slow peers, not once")
    parser.add_argument("--only", help="some parts, with commas between them")
    chosen = parser.parse_args()
    data = Path(chosen.data) if chosen.data else None
    parts: dict[str, Callable[[Path], bool]] = {
        "asof": lambda scratch: run_asof(scratch, full=chosen.full),
        "backfill": lambda scratch: run_backfill(data, scratch, full=chosen.full),
        "online": lambda scratch: run_online(one_file(data, scratch)),
        "contract": lambda _: run_contract(),
        "redis": run_redis,
        "restart": lambda _: run_restart(),
        "growth": lambda _: run_growth(),
    }
    wanted = chosen.only.split(",") if chosen.only else [one for one in parts if one != "growth"]
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
