"""Releases on real servers: swapped under load, sticky, kept through a kill, rolled back alone."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cli_app import PreparedShop, kingpost
from tests.released_shop import add_bundle, broken_model
from tests.served_shop import Load, ServedShop, order, until

CUSTOMERS = 45


def who_gets_what(shop: ServedShop, run: str) -> dict[int, str]:
    """Ask once for each customer; return the bundle that answered each."""
    found: dict[int, str] = {}
    for customer in range(CUSTOMERS):
        answer = shop.decide(order(f"{run}-{customer}", customer))
        assert answer.status_code == 200, answer.text
        found[customer] = answer.json()["bundle"]
    return found


def live(shop: ServedShop) -> dict[str, Any]:
    listed = shop.client.get("/v1/releases").json()["releases"]
    return cast("dict[str, Any]", listed[0])


def follows(shop: ServedShop) -> Callable[[], bool]:
    return lambda: bool(live(shop)["versions"])


def release(directory: Path, *arguments: str) -> dict[str, object]:
    return kingpost(directory, *arguments, "--reason", "a test", "--by", "ann", "--json")


Serve = Callable[..., ServedShop]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test, however it ends."""
    with ExitStack() as opened:

        def start(directory: Path, secret: str, *arguments: str) -> ServedShop:
            return opened.enter_context(ServedShop(directory, secret, *arguments))

        yield start


def test_a_bundle_is_released_promoted_and_taken_back_under_load(
    tmp_path: Path, prepared_shop: PreparedShop, serve: Serve
) -> None:
    secret = prepared_shop.copied(tmp_path)
    shop = serve(tmp_path, secret, "--no-watch")
    first = shop.decide(order("first", 1)).json()["bundle"]
    second = add_bundle(tmp_path, threshold=0.31)

    load = Load(shop, "load")
    release(tmp_path, "release", "risk", second[:12], "--canary", "50", "--assign-by", "customer")
    until(follows(shop), "the release is followed")
    before = who_gets_what(shop, "a")
    load.go_on()
    assert set(before.values()) == {first, second}
    record = shop.decide(order("role", next(c for c in before if before[c] == second)))
    stored = shop.client.get(f"/v1/records/{record.json()['id']}").json()
    assert (stored["role"], stored["bundle"]) == ("canary", second)
    report = load.stop()
    assert {one.status for one in report.answers} == {200}

    shop.end(signal.SIGKILL)
    shop = serve(tmp_path, secret, "--no-watch")
    assert who_gets_what(shop, "b") == before, "the same after a kill, from the first request on"

    load = Load(shop, "swap")
    release(tmp_path, "promote", "risk")
    until(lambda: set(who_gets_what(shop, f"c{time.time_ns()}").values()) == {second}, "promoted")
    load.go_on()
    release(tmp_path, "rollback", "risk")
    until(lambda: set(who_gets_what(shop, f"d{time.time_ns()}").values()) == {first}, "back")
    report = load.stop()
    assert {one.status for one in report.answers} == {200}, "no request failed by it"
    assert shop.end() == 0

    steps = cast(
        "list[dict[str, object]]", kingpost(tmp_path, "history", "risk", "--json")["history"]
    )
    assert [one["step"] for one in steps] == ["restored", "promoted", "started"]
    verified = kingpost(tmp_path, "verify", "--json")
    assert verified["different"] == 0
    assert verified["verified"] == verified["records"]
    assert cast("int", verified["records"]) > 1000


def test_what_is_worse_is_rolled_back_by_itself_in_all_processes(
    tmp_path: Path, prepared_shop: PreparedShop, serve: Serve
) -> None:
    secret = prepared_shop.copied(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copytree(prepared_shop.directory, other, dirs_exist_ok=True)
    shared = str(tmp_path / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINGPOST_CONTROL_DIR", shared)
        shops = [serve(tmp_path, secret), serve(other, secret, "--no-watch")]
    first = shops[0].decide(order("first", 1)).json()["bundle"]
    good = add_bundle(tmp_path, threshold=0.31)
    release(tmp_path, "release", "risk", good[:12], "--canary", "40", "--assign-by", "customer")
    for shop in shops:
        until(follows(shop), "the release is followed")
    assigned = [who_gets_what(shop, "good") for shop in shops]
    assert assigned[0] == assigned[1], "both processes assign alike"
    assert set(assigned[0].values()) == {first, good}
    release(tmp_path, "rollback", "risk")
    bad = add_bundle(tmp_path, threshold=0.31, model=broken_model(tmp_path))
    release(tmp_path, "release", "risk", bad[:12], "--canary", "40", "--assign-by", "customer")

    loads = [Load(shop, f"load{at}") for at, shop in enumerate(shops)]
    until(lambda: live(shops[0])["history"][0]["step"] == "rolled_back", "it is rolled back")
    until(lambda: live(shops[0])["history"][0]["bundle"] == bad, "the bad one is")
    for shop in shops:
        until(lambda shop=shop: not live(shop)["versions"], "every process follows")
    for load in loads:
        load.stop()

    step = live(shops[0])["history"][0]
    assert (step["step"], step["by"], step["champion"]) == ("rolled_back", "kingpost", first)
    evidence = step["evidence"][0]
    assert evidence["measure"] == "errors"
    assert evidence["e_value"] >= evidence["needed"]
    for shop in shops:
        answers = who_gets_what(shop, "after")
        assert set(answers.values()) == {first}

    def incidents() -> list[dict[str, Any]]:
        found = shops[0].client.get("/v1/incidents").json()
        return cast("list[dict[str, Any]]", found["incidents"])

    until(lambda: any(one["kind"] == "release" for one in incidents()), "an incident")
    assert [shop.end() for shop in shops] == [0, 0]


def test_a_shadow_answers_nobody_and_a_bundle_that_cannot_be_loaded_changes_nothing(
    tmp_path: Path, prepared_shop: PreparedShop, serve: Serve
) -> None:
    secret = prepared_shop.copied(tmp_path)
    shop = serve(tmp_path, secret, "--no-watch")
    first = shop.decide(order("first", 1)).json()["bundle"]
    shadow = add_bundle(tmp_path, threshold=0.31)
    release(tmp_path, "release", "risk", shadow[:12], "--shadow")
    until(follows(shop), "the release is followed")

    assert set(who_gets_what(shop, "a").values()) == {first}
    until(
        lambda: any(
            (one["role"], one["requests"]) == ("shadow", CUSTOMERS)
            for one in live(shop)["versions"]
        ),
        "every request has its shadow",
    )
    release(tmp_path, "rollback", "risk")

    unfit = add_bundle(tmp_path, model=b"no model at all")
    release(tmp_path, "release", "risk", unfit[:12], "--blue-green")
    until(lambda: live(shop)["live"] is None, "it is refused")
    step = live(shop)["history"][0]
    assert step["step"] == "rolled_back"
    assert "cannot be run" in step["reason"]
    assert set(who_gets_what(shop, "b").values()) == {first}
    assert shop.end() == 0
    assert kingpost(tmp_path, "verify", "--json")["different"] == 0
