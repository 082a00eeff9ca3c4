"""Windowed features updated event by event, as stream jobs in pandas and Python often do it.

Per account and window: running count, sum and sum of squares of floats. An event adds, what
has left the window is subtracted; min and max are taken over what is in the window. Events
more than three days behind the newest are dropped by the watermark, duplicates by their id;
a retraction subtracts. A read gives the account's windows as of its newest event.

    python incremental.py --data stream.npz --out values.npy
"""

import argparse
import math
from bisect import bisect_right, insort
from pathlib import Path

import numpy as np
import pandas as pd

DAY_US = 86_400_000_000
WATERMARK_US = 3 * DAY_US


class Window:
    """One window of one account."""

    def __init__(self, length_us: int) -> None:
        self.length_us = length_us
        self.held: list[tuple[int, float]] = []
        self.total = self.squares = 0.0

    def add(self, at: int, amount: float) -> None:
        insort(self.held, (at, amount))
        self.total += amount
        self.squares += amount * amount

    def remove(self, at: int, amount: float) -> None:
        if (at, amount) in self.held:
            self.held.remove((at, amount))
            self.total -= amount
            self.squares -= amount * amount

    def evict(self, now: int) -> None:
        gone = bisect_right(self.held, (now - self.length_us, math.inf))
        for _, amount in self.held[:gone]:
            self.total -= amount
            self.squares -= amount * amount
        del self.held[:gone]

    def read(self) -> list[float]:
        n = len(self.held)
        if not n:
            return [0.0] * 6
        amounts = [amount for _, amount in self.held]
        variance = (self.squares - self.total * self.total / n) / (n - 1) if n > 1 else 0.0
        return [
            float(n),
            self.total,
            self.total / n,
            min(amounts),
            max(amounts),
            math.sqrt(max(variance, 0.0)),
        ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    data = np.load(chosen.data)
    stream = pd.DataFrame(
        {name: data[name] for name in ("ids", "times", "accounts", "retracts")}
        | {"amounts": data["cents"] / 100}
    )
    stream = stream.drop_duplicates(["ids", "retracts"])
    lengths = [int(days) * DAY_US for days in data["window_days"]]
    asked = {int(one): place for place, one in enumerate(data["asked"])}
    values = np.zeros((len(asked), 6 * len(lengths)))
    windows: dict[int, list[Window]] = {}
    newest: dict[int, int] = {}
    watermark = 0
    for one, at, account, retracts, amount in stream.itertuples(index=False):
        own = windows.get(account)
        if own is None:
            own = windows[account] = [Window(length) for length in lengths]
        if retracts:
            for window in own:
                window.remove(at, amount)
            continue
        watermark = max(watermark, at - WATERMARK_US)
        if at >= watermark:
            now = newest[account] = max(newest.get(account, 0), at)
            for window in own:
                if at > now - window.length_us:
                    window.add(at, amount)
                window.evict(now)
        if one in asked:
            values[asked[one]] = [value for window in own for value in window.read()]
    np.save(chosen.out, values)


if __name__ == "__main__":
    main()
