"""A model trained anew on a real server: by a canary to champion, and back by its business."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from kingpost.registry import RetrainingStage
from tests.cli_app import PreparedShop, kingpost
from tests.retrained_shop import retrained_shop, run_of, stage_of, start
from tests.served_shop import ServedShop, order, until

__all__ = ["retrained_shop"]


@pytest.fixture(scope="module")
def served(
    retrained_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedShop]:
    """Serve the shop, with its worker, for the tests of this file, one after the other."""
    directory = tmp_path_factory.mktemp("served")
    secret = kingpost_key(retrained_shop, directory)
    with ExitStack() as opened:
        yield opened.enter_context(ServedShop(directory, secret, "--no-watch"))


def kingpost_key(shop: PreparedShop, directory: Path) -> str:
    shop.copied(directory)
    made = kingpost(
        directory, "keys", "create", "--scope", "decide", "--scope", "release",
        "--scope", "records", "--json",
    )  # fmt: skip
    return str(made["secret"])


class Traffic:
    """Requests, one after the other, and what each was worth."""

    def __init__(self, shop: ServedShop, run: str) -> None:
        self._shop, self._run, self._sent = shop, run, 0
        self._chance = random.Random(7)

    def send(self, *, loss_of_new: float = 0.0, champion: str = "") -> None:
        """Ask for a decision, and report the value of the answer."""
        answer = self._shop.decide(order(f"{self._run}-{self._sent}", self._sent))
        assert answer.status_code == 200, answer.text
        self._sent += 1
        decided = answer.json()
        if champion:
            is_lost = decided["bundle"] != champion and self._chance.random() < loss_of_new
            body = {"record": decided["id"], "value": 0.0 if is_lost else 1.0}
            told = self._shop.client.post("/v1/releases/risk/values", json=body)
            assert told.status_code in (200, 204, 409), told.text


def champion(shop: ServedShop) -> str:
    """Ask once more; a request of a known key would have the answer that it had."""
    return cast("str", shop.decide(order(f"who-{time.time_ns()}", 1)).json()["bundle"])


def test_a_canary_that_is_worse_by_its_business_is_rolled_back_and_the_run_says_so(
    served: ServedShop,
) -> None:
    first = champion(served)
    run = start(served.directory)
    until(lambda: has_begun(served, run, "shadow"), "the new model is a shadow")
    traffic = Traffic(served, "business")

    def is_over() -> bool:
        for _ in range(10):
            traffic.send(loss_of_new=0.9, champion=first)
        return run_of(served.directory, run).ended is not None

    # the canary is to be judged before it has answered its share
    until(is_over, "the run is over")

    found = run_of(served.directory, run)
    assert found.ended is not None
    assert (found.state, found.ended.stage) == ("refused", "canary")
    assert "worse than the champion: business" in found.ended.reason
    assert found.ended.numbers["business"] > found.ended.numbers["champion_business"] + 0.05
    assert champion(served) == first
    assert stage_of(served.directory, run, "canary")["state"] == "refused"
    assert stage_of(served.directory, run, "champion")["state"] == "waits"


def test_a_model_that_is_trained_anew_becomes_champion_stage_by_stage(
    served: ServedShop,
) -> None:
    first = champion(served)
    run = start(served.directory)
    traffic = Traffic(served, "released")

    def is_over() -> bool:
        if has_begun(served, run, "shadow"):
            for _ in range(10):
                traffic.send()
        return run_of(served.directory, run).ended is not None

    until(is_over, "the run is over")

    found = run_of(served.directory, run)
    assert found.state == "released", found.ended
    until(lambda: champion(served) == found.bundle, "it answers")
    assert found.bundle != first
    listed = kingpost(served.directory, "retraining", "list", "shop_app.py", "--json")
    runs = cast("list[dict[str, Any]]", listed["runs"])
    assert [one["state"] for one in runs] == ["released", "refused"]
    shown = kingpost(served.directory, "retraining", "show", "shop_app.py", run, "--json")
    stages = cast("list[dict[str, Any]]", shown["stages"])
    assert [one["state"] for one in stages] == ["done"] * 8
    assert all(one["reason"] for one in stages)
    assert stages[3]["numbers"]["average_precision"] > 0


def test_a_model_that_is_no_better_is_refused_and_a_run_that_is_over_cannot_be_stopped(
    served: ServedShop,
) -> None:
    run = start(served.directory)  # the champion has learned from the same requests
    until(lambda: run_of(served.directory, run).ended is not None, "the run is over")

    found = run_of(served.directory, run)
    assert found.ended is not None
    assert (found.state, found.ended.stage) == ("refused", "gates")
    assert "retraining_ended" in failed(served.directory, "stop", run)
    assert "unknown_retraining" in failed(served.directory, "show", "nobody")


def has_begun(shop: ServedShop, run: str, stage: RetrainingStage) -> bool:
    return run_of(shop.directory, run).noted(stage, "begun") is not None


def failed(directory: Path, command: str, run: str) -> str:
    reason = ["--reason", "again"] if command == "stop" else []
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"),
         "retraining", command, "shop_app.py", run, *reason],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    return done.stderr
