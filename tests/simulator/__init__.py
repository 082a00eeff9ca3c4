"""The deterministic simulator: one seed is one run of an engine through faults.

A run is a function of its seed: the disk and the clock are simulated, the journal's writer
takes its steps when it is told to, and what is random comes from the seed. A seed that fails
is run again by

    python -m tests.simulator --seed 417 -v
"""

from tests.simulator.flaws import FLAWS, flawed
from tests.simulator.simulation import Broken, Simulation, simulate

__all__ = ["FLAWS", "Broken", "Simulation", "flawed", "simulate"]
