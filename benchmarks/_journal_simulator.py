"""How many seeds of the simulator lose something: none may, and a thousand are run.

A seed drives the real engine through power losses, kills, I/O errors, a full disk and damaged
bytes on a simulated disk; `python -m tests.simulator --seed N -v` replays one.
"""

from benchmarks._figures import figure_at, say
from tests.simulator import Broken, simulate

__all__ = ["run_simulator"]

SEEDS = 1000


def run_simulator() -> bool:
    """Run the seeds; print `simulator_seeds` and `simulator_losses`, and whether none lost."""
    losses = 0
    for seed in range(SEEDS):
        try:
            simulate(seed)
        except Broken as broken:
            losses += 1
            say(f"seed {seed}: {broken}")
    figure_at("simulator_seeds", SEEDS, "seeds", 1000, more_is_better=True)
    figure_at("simulator_losses", losses, "seeds", 0, more_is_better=False)
    return not losses
