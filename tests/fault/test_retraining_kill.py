"""`kill -9` of the worker at every stage of a retraining: it goes on, and nothing happens twice."""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kingpost.registry import STAGES, RetrainingRun, RetrainingStage
from tests.cli_app import PreparedShop, kingpost
from tests.retrained_shop import control_of, retrained_shop, run_of, start, worker
from tests.served_shop import ServedShop, order, until

__all__ = ["retrained_shop"]

KILLED_AT: tuple[RetrainingStage, ...] = ("evaluate", "retrain", "approve", "shadow", "canary")
INSIDE_S = {"retrain": 0.5}


@pytest.fixture
def shop(retrained_shop: PreparedShop, tmp_path: Path) -> Iterator[ServedShop]:
    """Serve the shop without a worker."""
    secret = retrained_shop.copied(tmp_path)
    with ServedShop(tmp_path, secret, "--no-watch", "--no-work") as served:
        yield served


def wait_for(directory: Path, run: str, stage: RetrainingStage) -> None:
    end_s = time.monotonic() + 120
    while run_of(directory, run).noted(stage, "begun") is None:
        assert time.monotonic() < end_s, f"{stage} did not begin: {run_of(directory, run)}"
        time.sleep(0.005)


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    process.send_signal(how)
    return process.wait(60)


def decide(shop: ServedShop, run: RetrainingRun, sent: int) -> int:
    """Send what the release needs, as soon as there is one."""
    if run.noted("shadow", "begun") is None:
        return sent
    for number in range(sent, sent + 10):
        assert shop.decide(order(f"load-{number}", number)).status_code == 200
    return sent + 10


def test_a_worker_killed_at_every_stage_leaves_a_run_that_ends_as_if_nothing_had_been(
    shop: ServedShop,
) -> None:
    directory, control = shop.directory, control_of(shop.directory)
    models, bundles = len(control.models("risk")), len(control.bundles("risk"))
    run = start(directory)
    sent = 0
    for stage in KILLED_AT:
        working = worker(directory)
        while run_of(directory, run).noted(stage, "begun") is None:
            sent = decide(shop, run_of(directory, run), sent)
            assert working.poll() is None, (directory / "worker.log").read_text()
        time.sleep(INSIDE_S.get(stage, 0.0))
        assert run_of(directory, run).ended is None
        assert end(working, signal.SIGKILL) == -signal.SIGKILL

    working = worker(directory)

    def is_over() -> bool:
        nonlocal sent
        sent = decide(shop, run_of(directory, run), sent)
        return run_of(directory, run).ended is not None

    until(is_over, "the run is over")
    assert end(working, signal.SIGTERM) == 0

    found = run_of(directory, run)
    assert found.state == "released", found.ended
    noted = Counter((event.stage, event.step) for event in found.events)
    assert noted == {
        ("", "asked"): 1,
        **{(stage, step): 1 for stage in STAGES for step in ("begun", "done")},
    }
    assert len(control.models("risk")) == models + 1, "trained once"
    assert len(control.bundles("risk")) == bundles + 1
    approved = [one for one in control.approvals("risk") if one.bundle == found.bundle]
    assert len(approved) == 1
    released = control.releases("risk")
    started = [one for one in released.events if one.step == "started"]
    assert [one.plan.mode for one in started if one.plan] == ["shadow", "canary"]
    assert released.champion == found.bundle
    # the first server to read the log answers with it
    until(lambda: answers_with(shop, found.bundle), "it answers")


def answers_with(shop: ServedShop, bundle: str) -> bool:
    answer = shop.decide(order(f"who-{time.time_ns()}", 1))
    return answer.json()["bundle"] == bundle


def test_a_run_that_is_stopped_while_no_worker_runs_ends_with_the_champion_as_it_was(
    shop: ServedShop,
) -> None:
    directory, control = shop.directory, control_of(shop.directory)
    run = start(directory)
    working = worker(directory)
    wait_for(directory, run, "shadow")
    end(working, signal.SIGKILL)
    first = shop.decide(order("first", 1)).json()["bundle"]

    kingpost(
        directory, "retraining", "stop", "shop_app.py", run, "--reason", "not today", "--by", "bo",
        "--json",
    )  # fmt: skip
    assert control.releases("risk").live is None, "at once, whoever runs"
    working = worker(directory)
    until(lambda: run_of(directory, run).ended is not None, "the run says so")
    end(working, signal.SIGTERM)

    found = run_of(directory, run)
    assert found.ended is not None
    assert (found.state, found.ended.stage) == ("stopped", "shadow")
    assert found.ended.reason == "bo: not today"
    assert control.releases("risk").champion == first
    assert answers_with(shop, first)
