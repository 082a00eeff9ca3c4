"""Observes a journal in small steps and says each one; a process to be killed."""

import sys
from pathlib import Path

import numpy as np

from kingpost.core import SystemDisk
from kingpost.monitoring import MonitorStore, Profile, Watch, build_profile
from tests.observed_journal import START_US, ObservedJournal
from tests.tiny_app import APPLICATION

__all__ = ["PER_MINUTE", "observe"]

PER_MINUTE = 40
_FEATURES = APPLICATION.decisions["fraud"].features.names
_ROWS = 5_000


def profile(decision: str, bundle: bytes) -> Profile:
    """Describe two weeks before: amounts of about 20, nothing else known."""
    rng = np.random.default_rng(1)
    features = np.full((_ROWS, len(_FEATURES)), np.nan)
    features[:, 0] = rng.gamma(4, 5, _ROWS)
    return build_profile(
        decision,
        _FEATURES,
        features,
        START_US - np.arange(_ROWS, 0, -1, dtype=np.int64) * 60_000_000,
        scores=rng.beta(2, 8, _ROWS),
        labels=np.zeros(_ROWS),
        threshold=0.5,
        min_confidence=0.75,
    )


def new_watch(store: MonitorStore) -> Watch:
    """Make monitors that know the profile."""
    return Watch(store, profile)


def observe(house: ObservedJournal, *, step_size: int) -> None:
    """Observe to the end; say each step and each incident."""
    with house.observer(new_watch=new_watch, step_size=step_size) as observer:
        while observer.step():
            print("step", flush=True)
            while house.told:
                print("incident", house.told.pop(0).id, flush=True)
        print("end", flush=True)


if __name__ == "__main__":
    observe(
        ObservedJournal(Path(sys.argv[1]), disk=SystemDisk(), only_read=True),
        step_size=int(sys.argv[2]),
    )
