"""Progress of long work, on standard error: a line when a stage is over."""

import sys
import time

__all__ = ["Stages"]


class Stages:
    """Tells of stages as they end; give it as the `progress` of a training."""

    def __init__(self) -> None:
        self._stage, self._started = "", 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note: `done` of `total` steps of a stage."""
        if stage != self._stage:
            self._stage, self._started = stage, time.monotonic()
        if done >= total:
            seconds = time.monotonic() - self._started
            print(f"{stage} {total}/{total} {seconds:.1f} s", file=sys.stderr, flush=True)
