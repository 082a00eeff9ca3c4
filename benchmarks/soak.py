"""A server under half its load for a while: no errors, and memory that does not grow.

    make soak M=30 [ARGS="--chart memory.svg"]

Kingpost as a user runs it (key, checks, metrics, durable record, monitors beside it, snapshots)
serves the model of `benchmarks/serving.py`. What it takes at most is measured for some seconds;
then half of that is sent for M minutes, every request of its own. Memory is what server and
observer hold privately (`RssAnon`: pages of mapped files go when the system needs room), without
the children that write snapshots and seal, which come and go: their most is said beside it. The
slope is a least-squares line through all samples after the first fifth, in percent of the mean.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks._figures import figure_at, say
from benchmarks._serving_house import Running, SharedModel, kingpost_server, serving, train_shared
from benchmarks._serving_rest import CONNECTIONS, our_bodies
from kingpost.calls import LoadClient

WARM_SHARE = 0.2
CHUNK_S, FULL_SPEED_S = 10.0, 10.0


class Sample(NamedTuple):
    """What a stretch of load gave."""

    minutes: float
    server_mb: float
    observer_mb: float
    passing_mb: float
    p99_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--chart", type=Path, help="where to draw memory over time, as SVG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kingpost-soak-") as name:
        say("preparing: the model that is served")
        model = train_shared(Path(name))
        server = kingpost_server(model)._replace(both_cores=True)
        with serving(server, model) as running:
            samples, statuses = _soaked(running, model, options.minutes)
    if options.chart is not None:
        options.chart.write_text(_drawn(samples))
    later = [one for one in samples if one.minutes >= WARM_SHARE * options.minutes]
    hours = np.array([one.minutes for one in later]) / 60
    held = np.array([one.server_mb + one.observer_mb for one in later])
    slope = float(np.polyfit(hours, held, 1)[0] / held.mean() * 100)
    errors = sum(count for status, count in statuses.items() if status != 200)
    passing = max(one.passing_mb for one in samples)
    say(
        f"{sum(statuses.values()):,} requests; memory {held.min():.0f} to {held.max():.0f} MB, "
        f"for moments {passing:.0f} MB more"
    )
    figure_at("soak_errors", errors, "answers", 0, more_is_better=False)
    figure_at("soak_memory_slope", slope, "% an hour", 1.0, more_is_better=False)
    return 0 if not errors and slope < 1 else 1


def _soaked(
    server: Running, model: SharedModel, minutes: float
) -> tuple[list[Sample], Counter[int]]:
    client = LoadClient(
        "127.0.0.1", server.port, {"authorization": f"Bearer {model.secret}"}, CONNECTIONS
    )
    bodies = our_bodies(model.rows)
    calls = (client.post("/v1/decisions/classify", body) for body in bodies)
    _wait_until_it_answers(client, calls)
    most = client.run(_paced(calls, FULL_SPEED_S, None)).per_second()
    rate = most / 2
    say(f"at most {most:,.0f} requests/s, half of it for {minutes:g} minutes")
    samples: list[Sample] = []
    statuses: Counter[int] = Counter()
    begun = time.monotonic()
    while (passed_s := time.monotonic() - begun) < 60 * minutes:
        report = client.run(_paced(calls, CHUNK_S, rate))
        statuses.update(report.statuses())
        held = _held_mb(server)
        samples.append(Sample(passed_s / 60, *held, report.latency_ms(99)))
        if len(samples) % 6 == 0:
            last = samples[-1]
            say(
                f"{last.minutes:.0f} min: server {last.server_mb:.0f} MB, observer "
                f"{last.observer_mb:.0f} MB, p99 {last.p99_ms:.1f} ms, {dict(statuses)}"
            )
    return samples, statuses


def _wait_until_it_answers(client: LoadClient, calls: Iterator[bytes]) -> None:
    for _ in range(60):
        if client.run(itertools.islice(calls, 1)).statuses().get(200):
            return
        time.sleep(0.5)
    raise SystemExit("the server never answered with 200")


def _paced(calls: Iterator[bytes], seconds: float, rate: float | None) -> Iterator[bytes]:
    """Take calls for some seconds, at a rate or as fast as they are taken."""
    begun = time.monotonic()
    for number, call in enumerate(calls):
        now = time.monotonic() - begun
        if now > seconds:
            return
        if rate is not None and number / rate > now:
            time.sleep(number / rate - now)
        yield call


def _held_mb(server: Running) -> tuple[float, float, float]:
    """Return the private memory of the server, of its observer, and of what comes and goes."""
    found = {"server": 0.0, "observer": 0.0, "passing": 0.0}
    for pid in server.pids():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue  # it has just ended
        anonymous = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        kind = "server" if pid == server.process.pid else "observer"
        if {b"snapshot", b"seal"} & set(command):
            kind = "passing"
        found[kind] += int(anonymous.split()[1]) / 1024
    return found["server"], found["observer"], found["passing"]


def _drawn(samples: list[Sample]) -> str:
    """Draw memory over time."""
    width, height, left, low = 720, 260, 60, 220
    most = 1.1 * max(one.server_mb + one.observer_mb for one in samples)
    end = samples[-1].minutes

    def line(values: list[float], colour: str) -> str:
        points = " ".join(
            f"{left + one.minutes / end * (width - left - 20):.1f},{low - value / most * (low - 20):.1f}"
            for one, value in zip(samples, values, strict=True)
        )
        return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>'

    both = [one.server_mb + one.observer_mb for one in samples]
    marks = [
        f'<text x="{left - 8}" y="{low - share * (low - 20) + 4:.0f}" text-anchor="end">'
        f"{share * most:.0f}</text>"
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    marks += [
        f'<text x="{left + share * (width - left - 20):.0f}" y="{low + 18}" text-anchor="middle">'
        f"{share * end:.0f}</text>"
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                'font-family="sans-serif" font-size="12">'
            ),
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<path d="M{left} 20V{low}H{width - 20}" fill="none" stroke="#888"/>',
            *marks,
            (
                f'<text x="{left}" y="14">private memory, MB: server and observer (blue), server (grey)'
                "</text>"
            ),
            f'<text x="{width - 20}" y="{low + 34}" text-anchor="end">minutes</text>',
            line([one.server_mb for one in samples], "#999999"),
            line(both, "#1f6feb"),
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
