"""`python -m tests.simulator`: run seeds, or replay one with its trace."""

import argparse
import sys
import time

from tests.simulator.flaws import FLAWS
from tests.simulator.simulation import Broken, simulate

__all__: list[str] = []


def main() -> int:
    """Run what the arguments ask for; 1 when a seed fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--flaw", choices=sorted(FLAWS), help="plant this fault in the code")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every step")
    wanted = parser.parse_args()
    first = wanted.first if wanted.seed is None else wanted.seed
    started_s, failed = time.monotonic(), 0
    commits = starts = faults = damages = 0
    seeds = range(first, first + (1 if wanted.seed is not None else wanted.seeds))
    for seed in seeds:
        try:
            ran = simulate(seed, wanted.flaw)
        except Broken as broken:
            failed += 1
            trace = broken.trace
            print(f"seed {seed} FAILED: {broken}", file=sys.stderr)
        else:
            trace = ran.trace
            commits, starts = commits + ran.commits, starts + ran.starts
            faults, damages = faults + ran.faults, damages + ran.damages
        if wanted.verbose:
            print("\n".join(trace))
    print(
        f"{len(seeds)} seeds, {failed} failed: {commits:,} acknowledgements, {starts:,} starts, "
        f"{faults:,} failures met, {damages:,} damages, {time.monotonic() - started_s:.1f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
