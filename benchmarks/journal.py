"""The journal and its proofs: audit path, proofs, tampering, replay, faults, retrieval, calls. `make bench B=journal`.

Each part runs alone with ARGS="--only audit", or several as "--only audit,proof"; what each
measures stands in its module. FULL=1 proves among ten million records instead of one million
(4 GB). BENCH_DIR says where the files go.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._figures import say
from benchmarks._journal_added import run_added
from benchmarks._journal_audit import run_audit
from benchmarks._journal_calls import run_calls
from benchmarks._journal_proof import run_proof
from benchmarks._journal_replay import run_replay
from benchmarks._journal_retrieval import run_retrieval
from benchmarks._journal_simulator import run_simulator
from benchmarks._journal_tampering import run_tampering


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.journal", description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten million records")
    parser.add_argument("--only", help="some parts, with commas between them")
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Path], bool]] = {
        "audit": run_audit,
        "added": run_added,
        "tampering": run_tampering,
        "proof": lambda scratch: run_proof(scratch, full=chosen.full),
        "calls": run_calls,
        "replay": run_replay,
        "simulator": lambda _: run_simulator(),
        "retrieval": lambda _: run_retrieval(full=chosen.full),
    }
    wanted = chosen.only.split(",") if chosen.only else list(parts)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        sys.exit(f"--only {unknown[0]}: give some of {', '.join(parts)}")
    fine = True
    for name in wanted:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
            fine &= parts[name](Path(scratch))
        say(f"{name}: {time.monotonic() - start:.0f} s in all")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
