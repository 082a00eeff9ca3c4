"""Features online and offline, bit by bit, on a stream that arrives badly. `make bench B=parity`.

A million payments and retractions (`_parity_stream`) go through a process that journals,
applies and reads (`_parity_live`), and that is killed with SIGKILL at random moments; each
read is written down with its position. Afterwards every value that was read is compared, by
its 64 bits, with the offline computation as recorded at that position and with the plain
definition on integers.

Peers, each at the setting that is best for it, are compared with the same definition:

- feast-tiling: Feast's released tiling functions on some accounts, over the whole stream as
  known in the end, without duplicates and retractions, read at the ends of its tiles only.
- pandas-incremental: running counts, sums and sums of squares of floats, updated by each
  event, with a watermark of three days; duplicates dropped, retractions subtracted.

ARGS="--count 100000" takes a shorter stream.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks._figures import PEERS, figure, figure_at, peer_python, say
from benchmarks._parity_live import CONTRACT, TENANT, histories_in
from benchmarks._parity_stream import (
    DAY_US,
    FEATURES,
    WINDOW_DAYS,
    Known,
    aggregates,
    arrivals,
    by_definition,
)
from kingpost.features import NEVER, History, Requests, different_bits, feature_matrix

COUNT, KILLS = 1_000_000, 5
HOP_HOURS, TILED_ACCOUNTS = 6, 6

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Reads(NamedTuple):
    """What was read online: the rows of the history that asked, and the values."""

    rows: Integers
    values: Floats


def live(directory: Path, count: int) -> int:
    """Run the process until the stream has ended, killing it on the way; count the kills."""
    command = [sys.executable, "-m", "benchmarks._parity_live"]
    command += ["--directory", str(directory), "--count", str(count)]
    dice = random.Random(7)
    taken, kills = directory / "taken", 0
    moments = sorted(dice.randrange(count // 20, count * 19 // 20) for _ in range(KILLS))
    for moment in [*moments, None]:
        with subprocess.Popen(command) as process:
            while moment is not None and process.poll() is None and _taken(taken) < moment:
                time.sleep(0.01 * dice.random())
            if moment is not None and process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode == -signal.SIGKILL:
            kills += 1
            say(f"killed after {_taken(taken):,} arrivals")
        elif process.returncode:
            sys.exit(f"the process ended with {process.returncode}")
    return kills


def _taken(path: Path) -> int:
    """Return how many arrivals the process says it has taken."""
    if not path.exists():
        return 0
    body = path.read_bytes()
    whole = len(body) // 8 * 8
    return int.from_bytes(body[whole - 8 : whole], "little") if whole else 0


def reads_of(path: Path, history: History) -> Reads:
    """Read what was written down; each read was asked by the event at its position."""
    records = np.fromfile(path, np.dtype([("at", "<i8"), ("values", "<f8", len(FEATURES))]))
    rows = np.searchsorted(history.positions, records["at"])
    assert (history.positions[rows] == records["at"]).all()
    return Reads(rows, np.ascontiguousarray(records["values"]))


def defined(history: History, rows: Integers) -> Floats:
    """Compute the features that some events asked for, by the plain definition."""
    columns = history.events
    accounts = columns.numbers("account")
    order = np.argsort(accounts, kind="stable")
    starts = np.searchsorted(accounts[order], np.arange(int(accounts.max()) + 2))
    times = columns.numbers("at").astype(np.int64)
    cents = np.rint(columns.numbers("amount").astype(np.float64) * 100).astype(np.int64)
    ends = history.ends if history.ends is not None else np.full(len(history), NEVER)
    values = np.empty((len(rows), len(FEATURES)))
    of_account: dict[int, Known] = {}
    for place, row in enumerate(rows.tolist()):
        account = int(accounts[row])
        known = of_account.get(account)
        if known is None:
            own = order[starts[account] : starts[account + 1]]
            known = Known(times[own], cents[own], history.positions[own], ends[own])
            of_account[account] = known
        values[place] = by_definition(known, int(times[row]), int(history.positions[row]))
    return values


def tiled_truth(history: History, accounts: Integers) -> Floats:
    """Compute what Feast's tiles should hold at their ends, by the plain definition."""
    live_now = history.live().events
    hop = HOP_HOURS * 3_600_000_000
    chosen = np.isin(live_now.numbers("account"), accounts)
    times = live_now.numbers("at").astype(np.int64)[chosen]
    owner = live_now.numbers("account")[chosen]
    cents = np.rint(live_now.numbers("amount")[chosen].astype(np.float64) * 100).astype(np.int64)
    ends = np.arange(times.min() // hop * hop, times.max() // hop * hop + hop, hop) + hop
    rows: list[list[float]] = []
    for account in accounts.tolist():
        own, amounts = times[owner == account], cents[owner == account]
        for end in ends.tolist():
            rows.append([])
            for days in WINDOW_DAYS:
                inside = (own >= end - days * DAY_US) & (own < end)
                rows[-1] += aggregates(amounts[inside])
    return np.array(rows)


def bit_equal(found: Floats, truth: Floats) -> float:
    """Return the share of values with the same bits.

    Where the truth is that there is no value, NaN is as good as the default that ours declares.
    """
    same = found.view(np.int64) == truth.view(np.int64)
    return float((same | (np.isnan(found) & (truth == 0.0))).mean())


def peer(name: str, script: Path, table: dict[str, NDArray[np.generic]], out: Path) -> Floats:
    """Run a peer in its own environment on some arrays; return its values."""
    data = out.with_suffix(".npz")
    np.savez(data, **table)
    start = time.monotonic()
    command = [str(peer_python(name)), str(script), "--data", str(data), "--out", str(out)]
    subprocess.run(command, check=True)
    say(f"{script.stem}: {time.monotonic() - start:.0f} s")
    return np.load(out)


def incremental_share(
    count: int, history: History, reads: Reads, truth: Floats, out: Path
) -> float:
    """Compare the incremental way with the definition, at all that was read online."""
    stream = arrivals(count)
    table = {
        "ids": stream.ids,
        "times": stream.times,
        "accounts": stream.accounts,
        "cents": stream.cents,
        "retracts": stream.retracts,
        "asked": history.events.numbers("id")[reads.rows],
        "window_days": np.array(WINDOW_DAYS),
    }
    script = PEERS / "features" / "incremental.py"
    return bit_equal(peer("features", script, table, out / "incremental.npy"), truth)


def tiling_share(history: History, out: Path) -> tuple[float, int]:
    """Compare Feast's tiles with the definition at their ends; return the share and how many."""
    accounts = np.unique(history.events.numbers("account"))[:TILED_ACCOUNTS].astype(np.int64)
    known = history.live().events
    chosen = np.isin(known.numbers("account"), accounts)
    table = {
        "accounts": known.numbers("account")[chosen],
        "times": known.numbers("at")[chosen],
        "amounts": known.numbers("amount")[chosen],
        "window_days": np.array(WINDOW_DAYS),
        "hop_hours": np.array(HOP_HOURS),
    }
    found = peer("feast", PEERS / "feast" / "tiling.py", table, out / "tiling.npy")
    truth = tiled_truth(history, accounts)
    return bit_equal(found, truth), truth.size


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.parity", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="arrivals")
    parser.add_argument("--full", action="store_true", help="as without it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kingpost-bench-") as scratch:
        directory = Path(scratch)
        start = time.monotonic()
        kills = live(directory, chosen.count)
        say(f"lived in {time.monotonic() - start:.0f} s")
        history = histories_in(directory / "journal").of(TENANT)[CONTRACT.name]
        reads = reads_of(directory / "reads", history)
        positions = history.positions[reads.rows]
        requests = Requests(history.events.take(reads.rows), positions, read_at=positions)
        offline = feature_matrix(FEATURES, requests, {CONTRACT.name: history})
        report = different_bits(FEATURES.names, reads.values, offline)
        truth = defined(history, reads.rows)
        wrong = int((offline.view(np.int64) != truth.view(np.int64)).sum())
        say(f"{report.mismatches} of {report.reads:,} differ online; {wrong} offline are wrong")
        ended = 0 if history.ends is None else int((history.ends != NEVER).sum())
        say(f"{len(history):,} events held, {ended:,} of them retracted")
        ours = bit_equal(reads.values, truth)
        theirs = incremental_share(chosen.count, history, reads, truth, directory)
        tiled, tiles = tiling_share(history, directory)
    say(f"feast-tiling: {tiles:,} values at the ends of its tiles")
    figure("parity_bit_equal", ours, "share", "feast-tiling", tiled, more_is_better=True)
    figure("parity_bit_equal", ours, "share", "pandas-incremental", theirs, more_is_better=True)
    figure_at("parity_reads", report.reads, "values", 1_000_000, more_is_better=True)
    figure_at("parity_kills", kills, "kills", 3, more_is_better=True)
    figure_at(
        "parity_late_share", arrivals(chosen.count).late_share, "share", 0.2, more_is_better=True
    )
    return 0 if report.mismatches == 0 and wrong == 0 and ours == 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
