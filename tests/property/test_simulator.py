"""A thousand seeds of the simulator; `KINGPOST_SIMULATOR_SEEDS=100000` runs more."""

import os

import pytest

from tests.simulator import FLAWS, Broken, simulate

SEEDS = int(os.environ.get("KINGPOST_SIMULATOR_SEEDS", "1000"))
AT_ONCE = 50
ENOUGH = 60


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_no_seed_loses_what_was_acknowledged_or_takes_damage_for_the_end(first: int) -> None:
    runs = [simulate(seed) for seed in range(first, min(first + AT_ONCE, SEEDS))]

    assert sum(ran.commits for ran in runs) > len(runs)
    assert sum(ran.starts for ran in runs) > 2 * len(runs)


@pytest.mark.parametrize("flaw", sorted(FLAWS))
def test_a_planted_fault_is_found_within_a_few_seeds(flaw: str) -> None:
    with pytest.raises(Broken, match=r"python -m tests\.simulator --seed \d+"):
        for seed in range(ENOUGH):
            simulate(seed, flaw)


def test_a_seed_is_replayed_exactly_also_one_that_fails() -> None:
    assert [simulate(seed) for seed in range(5)] == [simulate(seed) for seed in range(5)]

    traces: list[tuple[str, ...]] = []
    for _ in range(2):
        with pytest.raises(Broken) as caught:
            for seed in range(ENOUGH):
                simulate(seed, "damage is taken for the end")
        traces.append((str(caught.value), *caught.value.trace))
    assert traces[0] == traces[1]
    assert len(traces[0]) > 3
