"""The pages of the audit in a real browser: checkpoints it checks itself, erasures, exports."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Route, expect

from tests.cli_app import PreparedShop, kingpost
from tests.e2e.browser import Chromium, Scheme
from tests.served_shop import ServedShop, order, until

PATHS = ("/checkpoints", "/erasures", "/exports")
SCOPES = ("records", "decide", "erase", "audit")


class Audited(NamedTuple):
    """A server with something to look into."""

    shop: ServedShop
    key: str


@pytest.fixture(scope="module")
def audited(
    prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Audited]:
    directory = tmp_path_factory.mktemp("audit")
    prepared_shop.copied(directory)
    scopes = [text for one in SCOPES for text in ("--scope", one)]
    key = str(kingpost(directory, "keys", "create", "--name", "ann", *scopes, "--json")["secret"])
    with ServedShop(directory, key) as shop:
        for at in range(3):
            shop.decide(order(f"a{at}", at))
        held = {"entity": "customer", "key": "c1", "reason": "claim 7"}
        assert shop.client.post("/v1/holds", json=held).status_code == 200
        asked = {"entity": "customer", "key": "c1", "reason": "a letter of May"}
        assert shop.client.post("/v1/erasures", json=asked).status_code == 409
        assert shop.client.post("/v1/erasures", json={**asked, "key": "c2"}).status_code == 200
        kingpost(
            directory, "export", "--out", "out", "--subject", "customer=c2", "--by", "bob",
            "--with-personal", "--json",
        )  # fmt: skip
        until(
            lambda: all(one["size"] > 3 for one in shop.client.get("/v1/logs").json()["logs"]),
            "both logs are signed",
        )
        yield Audited(shop, key)
        assert shop.end() == 0


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)]
)
def test_the_pages_are_there_for_everybody(
    audited: Audited, chromium: Chromium, scheme: Scheme, width: int
) -> None:
    pictures = os.environ.get("KINGPOST_TEST_PICTURES")
    with chromium.window(audited.shop.url, scheme=scheme, width=width) as window:
        window.sign_in(audited.key)
        for path in PATHS:
            window.open(path)
            expect(window.page.get_by_role("link", name="Audit", exact=True)).to_have_attribute(
                "aria-current", "page"
            )
            window.check_width()
            window.check_access()
            if pictures:
                place = Path(pictures) / f"{path[1:]}-{scheme}-{width}.png"
                window.page.screenshot(path=place, full_page=True)


def test_the_browser_checks_the_newest_checkpoints_by_itself(
    audited: Audited, chromium: Chromium
) -> None:
    with chromium.window(audited.shop.url) as window:
        window.sign_in(audited.key)
        window.open("/checkpoints")
        for name in ("records", "control"):
            said = window.page.get_by_role("region", name=name, exact=True).get_by_role("status")
            expect(said).to_contain_text("Signed, checked here")
            expect(said).to_contain_text("first time")
        window.open("/checkpoints")
        control = window.page.get_by_role("region", name="control", exact=True)
        expect(control.get_by_role("status")).to_contain_text("has seen before")
        size = control.locator("dd").nth(1).inner_text()

        def cut(route: Route) -> None:
            page = route.fetch()
            route.fulfill(response=page, body=page.text().replace(f"\n{size}\n", "\n1\n"))

        window.page.route("**/checkpoints", cut)
        window.open("/checkpoints")
        expect(control.get_by_role("status")).to_contain_text("Not to be believed: the signature")


def test_a_log_that_shrank_since_the_browser_saw_it_is_not_believed(
    audited: Audited, chromium: Chromium
) -> None:
    with chromium.window(audited.shop.url) as window:
        window.sign_in(audited.key)
        window.open("/checkpoints")
        control = window.page.get_by_role("region", name="control", exact=True)
        expect(control.get_by_role("status")).to_contain_text("Signed, checked here")
        window.page.evaluate(
            """() => Object.keys(localStorage).filter(name => name.includes("log-seen"))
            .forEach(name => localStorage.setItem(name, '{"size": 1e9, "root": ""}'))"""
        )
        window.open("/checkpoints")

        expect(control.get_by_role("status")).to_contain_text("has seen 1000000000 leaves")


def test_erasures_and_exports_say_who_and_why_and_never_whom(
    audited: Audited, chromium: Chromium
) -> None:
    with chromium.window(audited.shop.url) as window:
        window.sign_in(audited.key)
        window.open("/erasures")
        asked = window.page.get_by_role("region", name="Asked for").get_by_role("row")
        expect(asked.nth(1)).to_contain_text("erased")
        expect(asked.nth(1)).to_contain_text("every earlier event")
        expect(asked.nth(2)).to_contain_text("refused")
        expect(asked.nth(2)).to_contain_text("claim 7")
        holds = window.page.get_by_role("region", name="Legal holds").get_by_role("row")
        expect(holds.nth(1)).to_contain_text("stands")
        erased = asked.nth(1).locator("code").first.get_attribute("title")
        for key in ("c1", "c2"):
            assert f">{key}<" not in window.page.content()
        window.open("/exports")
        made = window.page.get_by_role("row").nth(1)
        expect(made).to_contain_text("bob")
        expect(made).to_contain_text("in the clear")
        assert erased is not None
        assert "customer=c2" not in window.page.content()


def test_who_may_audit_alone_sees_these_pages_and_no_record(
    audited: Audited, chromium: Chromium
) -> None:
    made = kingpost(
        audited.shop.directory, "keys", "create", "--name", "eve", "--scope", "audit", "--json"
    )
    with chromium.window(audited.shop.url) as window:
        window.expect("status of 403")
        window.sign_in(str(made["secret"]), "/checkpoints")
        for path in PATHS:
            assert window.open(path).status == 200
        assert window.open("/records").status == 403
