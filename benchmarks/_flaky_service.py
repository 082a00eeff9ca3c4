"""`token_refresh_races`: calls to a service that behaves badly, and what must never happen.

Threads and tasks call `_flaky_server`, with tokens that last a second and whose refresh
tokens may be used once; each order is asked for, with its key, until it is done. A race is
a request for a token while another was under way, or a refresh token that came twice.
"""

import asyncio
import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks._figures import figure_at, say
from benchmarks._flaky_server import Faults, counts_of, flaky_server
from kingpost.calls import (
    AsyncServiceClient,
    Breaker,
    BreakerState,
    Call,
    CallSurroundings,
    NoCallMetrics,
    RefreshToken,
    Retries,
    Service,
    ServiceClient,
)
from kingpost.core import KingpostError

__all__ = ["run_flaky"]

RUNS_S, ENDS_WITHIN_S = 16.0, 20.0
THREADS, TASKS = 16, 48
DEADLINE_S, SLACK_S = 2.0, 0.25
PAUSE_S = 0.05
FAULTS = Faults(token_s=1.0, outage_from_s=6.0, outage_s=2.0)


class _Breakers(NoCallMetrics):
    """Counts the states that breakers have come to."""

    def __init__(self) -> None:
        self.states: Counter[BreakerState] = Counter()

    def breaker_changed(self, service: str, state: BreakerState) -> None:
        self.states[state] += 1


@dataclass
class _Run:
    """What the callers of a run share."""

    ends_at: float
    outcomes: Counter[str] = field(default_factory=Counter[str])
    latest_s: float = 0.0
    done: set[str] = field(default_factory=set[str])

    def orders(self, caller: str) -> Iterator[str]:
        """Give order after order until the time is over."""
        number = 0
        while time.monotonic() < self.ends_at:
            yield f"{caller}-{number}"
            number += 1

    def is_over(self) -> bool:
        return time.monotonic() > self.ends_at + ENDS_WITHIN_S

    def note(self, order: str, outcome: str, took_s: float) -> None:
        self.outcomes[outcome] += 1
        self.latest_s = max(self.latest_s, took_s)
        if outcome == "success":
            self.done.add(order)


def run_flaky() -> bool:
    """Print the figure; say whether it and all else that must hold does."""
    logging.getLogger("kingpost.calls").setLevel(logging.CRITICAL)  # a line for each retry
    breakers, run = _Breakers(), _Run(time.monotonic() + RUNS_S)
    with flaky_server(FAULTS) as url:
        threads = [
            *_threads(url, run, CallSurroundings(metrics=breakers)),
            threading.Thread(
                target=lambda: asyncio.run(_tasks(url, run, CallSurroundings(metrics=breakers)))
            ),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = counts_of(url)
    races = counts.overlapping + counts.reused
    twice = sum(times > 1 for times in counts.effects.values())
    undone = len(run.done - counts.effects.keys())
    calls = run.outcomes.total()
    say(
        f"flaky: {calls:,} calls of {len(run.done):,} orders, {counts.calls:,} requests came; "
        f"{counts.repeated_keys:,} carried a key that was known, "
        f"{counts.refused_tokens:,} a stale token; {counts.refreshes} refreshes"
    )
    say(f"flaky: outcomes {json.dumps(dict(run.outcomes.most_common()))}")
    say(f"flaky: the latest call ended {run.latest_s:.3f} s after it began, of {DEADLINE_S:g} s")
    say(f"flaky: breakers came to {json.dumps(dict(breakers.states))}")
    say(f"flaky: {twice} effects were done twice, {undone} that were told done were not")
    figure_at("token_refresh_races", races, "races", 0, more_is_better=False)
    was_left_alone = breakers.states["open"] > 0 and breakers.states["closed"] > 0
    in_time = run.latest_s <= DEADLINE_S + SLACK_S
    return not (races or twice or undone) and was_left_alone and in_time and calls > 1000


def _service(url: str, client: str) -> Service:
    return Service(
        "flaky",
        url,
        deadline=f"{round(DEADLINE_S * 1000)}ms",
        retries=Retries(first_wait="20ms", longest_wait="500ms", budget=0.5, reserve=50),
        breaker=Breaker(minimum=20, failures=0.6, open="500ms"),
        bulkhead=THREADS,
        idempotency="Idempotency-Key",
        auth=RefreshToken(f"{url}/token", client, f"{client}-0"),
    )


def _call(order: str) -> Call:
    return Call("POST", "/effects", json={"order": order}, idempotency_key=order)


def _threads(url: str, run: _Run, surroundings: CallSurroundings) -> list[threading.Thread]:
    client = ServiceClient(_service(url, "threads"), surroundings)

    def work(caller: str) -> None:
        for order in run.orders(caller):
            while order not in run.done and not run.is_over():
                start, outcome = time.monotonic(), "success"
                try:
                    if not client.call(_call(order)).is_success:
                        outcome = "refused"
                except KingpostError as error:
                    outcome = error.code
                run.note(order, outcome, time.monotonic() - start)
                if outcome != "success":
                    time.sleep(PAUSE_S)

    return [threading.Thread(target=work, args=[f"thread{number}"]) for number in range(THREADS)]


async def _tasks(url: str, run: _Run, surroundings: CallSurroundings) -> None:
    async def work(caller: str) -> None:
        for order in run.orders(caller):
            while order not in run.done and not run.is_over():
                start, outcome = time.monotonic(), "success"
                try:
                    if not (await client.call(_call(order))).is_success:
                        outcome = "refused"
                except KingpostError as error:
                    outcome = error.code
                run.note(order, outcome, time.monotonic() - start)
                if outcome != "success":
                    await asyncio.sleep(PAUSE_S)

    async with AsyncServiceClient(_service(url, "tasks"), surroundings) as client:
        await asyncio.gather(*(work(f"task{number}") for number in range(TASKS)))


if __name__ == "__main__":
    sys.exit(not run_flaky())
