"""Serving beside what others serve with: decisions, one model everywhere, answers to their callers.

    make bench B=serving [DATA=path] [FULL=1] [ARGS="--only rest,crossed"]

Parts: `decision`, whole fraud decisions beside a FastAPI endpoint that only scores; `rest`, one
model (LightGBM, 200 trees, 30 features) served by Kingpost with everything on, by four serving
frameworks, by FastAPI and by hand; `grpc`, the same model over gRPC beside MLServer; `crossed`,
100,000 requests of which each must get its own answer; `jobs`, 10,000 jobs whose workers are
killed; `extraction`, thieves and a client before a decision with a budget of answers;
`releases`, simulated releases of which the worse must be ended and the others not, and
bundles that are swapped under load.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks._extraction import run_extraction
from benchmarks._figures import say
from benchmarks._jobs import run_jobs
from benchmarks._releases import run_releases
from benchmarks._releases_swap import run_swaps
from benchmarks._serving_crossed import run_crossed
from benchmarks._serving_decision import run_decision
from benchmarks._serving_grpc import run_grpc
from benchmarks._serving_house import CLIENT_CORE, pin_to, train_shared
from benchmarks._serving_rest import run_rest

PARTS = ("decision", "rest", "grpc", "crossed", "jobs", "extraction", "releases")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="card transactions for `decision`")
    parser.add_argument("--full", action="store_true", help="more and longer rounds")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--peers", default="", help="peers of `rest`, separated by commas")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rounds, seconds = (5, 10.0) if options.full else (3, 5.0)
    met = True
    with tempfile.TemporaryDirectory(prefix="kingpost-bench-") as name:
        directory = Path(name)
        if {"rest", "grpc", "crossed", "jobs", "releases"}.intersection(parts):
            say("preparing: the model that all serve")
            model = train_shared(directory)
            pin_to(CLIENT_CORE)
            if "rest" in parts:
                met &= run_rest(model, rounds=rounds, seconds=seconds, only=options.peers)
            if "grpc" in parts:
                met &= run_grpc(model, rounds=rounds, seconds=seconds)
            if "crossed" in parts:
                met &= run_crossed(model)
            if "jobs" in parts:
                met &= run_jobs(model)
            if "releases" in parts:
                met &= run_swaps(model)
    if "releases" in parts:
        met &= run_releases()
    if "decision" in parts:
        run_decision(options.data, rounds=rounds, seconds=seconds)
    if "extraction" in parts:
        met &= run_extraction()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
