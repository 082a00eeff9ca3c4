"""Progress of long work, on standard error: a line per stage, counted up on a terminal."""

import sys
import time
from typing import TextIO

__all__ = ["Stages"]


class Stages:
    """Tells of stages as they go; give it as the `progress` of a training."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._stage = ""
        self._started = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note: `done` of `total` steps of a stage."""
        if stage != self._stage:
            self._stage, self._started = stage, time.monotonic()
        seconds = time.monotonic() - self._started
        line = f"{stage} {done}/{total} {seconds:.1f} s"
        if done >= total:
            start = "\r" if self._live else ""
            print(f"{start}{line}", file=self._stream, flush=True)
            self._stage = ""
        elif self._live:
            print(f"\r{line}", end="", file=self._stream, flush=True)
