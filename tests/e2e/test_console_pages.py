"""Every page of the console: for everybody, in both colours, on a telephone, and quick."""

import re
from collections.abc import Iterator, Sequence

import pytest

from tests.e2e.browser import Chromium, Scheme, Window
from tests.e2e.console_data import ConsoleData
from tests.served_shop import ServedShop

PAGES = (
    "/",
    "/decisions/risk",
    "/decisions/risk?span=28d",
    "/decisions/risk/features/amount",
    "/decisions/risk/features/at_night",
    "/records",
    "/records?outcome=review&mistaken=yes",
    "/records?text=nothing+like+this",
    "/inbox",
    "/inbox?queue=risk-leads",
    "/inbox?tab=incidents",
    "/inbox?tab=mine",
    "/inbox?tab=closed",
    "/incidents",
    "/features",
    "/features?text=customer&kind=window",
    "/features?text=nothing+like+this",
    "/features/customer_mean_2d",
    "/features/to_usual",
    "/models",
    "/models/risk/1",
    "/approvals",
    "/checkpoints",
    "/erasures",
    "/exports",
)
LISTS = (
    ("/records?outcome=review&review=overridden", "/records/"),
    ("/records?outcome=decided", "/records/"),
    ("/inbox?queue=risk-desk", "/inbox/"),
    ("/inbox?queue=risk-leads", "/inbox/"),
    ("/inbox?tab=closed", "/inbox/"),
    ("/incidents", "/incidents/"),
)
TIMING = re.compile(r"total;dur=[0-9.]+")


@pytest.fixture(scope="module")
def shop(prepared: ConsoleData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    with prepared.copied(tmp_path_factory.mktemp("pages")).serve() as shop:
        yield shop


@pytest.fixture(scope="module")
def pages(chromium: Chromium, shop: ServedShop, prepared: ConsoleData) -> Sequence[str]:
    """Return the addresses of all pages, one of each kind for those of single things."""
    found = list[str](PAGES)
    with chromium.window(shop.url) as window:
        window.sign_in(prepared.ann)
        for path, prefix in LISTS:
            window.open(path)
            link = window.page.locator(f'main a[href^="{prefix}"]').first.get_attribute("href")
            assert link is not None
            found.append(link)
    record = next(path for path in found if re.match("/records/[0-9a-f-]{36}", path))
    return [*found, f"{record}?explain=1"]


def check_all(window: Window, pages: Sequence[str]) -> None:
    """Check the pages one after the other, and tell of all that is wrong at once."""
    problems: list[str] = []
    for path in pages:
        answer = window.open(path)
        try:
            assert answer.status == 200, f"{path}: {answer.status}"
            window.check_width()
            window.check_access()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(
    chromium: Chromium,
    shop: ServedShop,
    prepared: ConsoleData,
    pages: Sequence[str],
    scheme: Scheme,
) -> None:
    with chromium.window(shop.url, scheme=scheme) as window:
        window.open("/login")
        window.check_access()
        window.sign_in(prepared.ann)

        check_all(window, pages)


def test_every_page_fits_a_telephone(
    chromium: Chromium, shop: ServedShop, prepared: ConsoleData, pages: Sequence[str]
) -> None:
    with chromium.window(shop.url, width=375, height=812) as window:
        window.open("/login")
        window.check_width()
        window.sign_in(prepared.ann)

        check_all(window, pages)


def test_pages_for_who_may_only_read_or_only_review_can_be_used_by_everybody(
    chromium: Chromium, shop: ServedShop, prepared: ConsoleData, pages: Sequence[str]
) -> None:
    with chromium.window(shop.url) as window:
        window.sign_in(prepared.viewer)

        check_all(window, [path for path in pages if path.startswith(("/inbox", "/records/"))])


def test_errors_can_be_read_by_everybody_too(
    chromium: Chromium, shop: ServedShop, prepared: ConsoleData
) -> None:
    with chromium.window(shop.url, scheme="dark", width=375, height=812) as window:
        window.expect("status of 40[134]")
        window.open("/login")
        window.page.get_by_label("API key", exact=True).fill("kp_not_one")
        window.page.get_by_role("button", name="Sign in").click()
        window.check_access()
        window.sign_in(prepared.viewer)

        window.open("/nothing")

        window.check_access()
        window.check_width()


def test_every_page_says_how_long_the_server_took(
    chromium: Chromium, shop: ServedShop, prepared: ConsoleData, pages: Sequence[str]
) -> None:
    with chromium.window(shop.url) as window:
        window.sign_in(prepared.ann)
        said = {path: window.open(path).headers.get("server-timing", "") for path in pages}

    assert [path for path, timing in said.items() if not TIMING.fullmatch(timing)] == []


def test_styles_and_scripts_are_kept_by_the_browser_and_pages_are_not(
    chromium: Chromium, shop: ServedShop, prepared: ConsoleData
) -> None:
    kept: dict[str, str] = {}
    with chromium.window(shop.url) as window:
        window.page.on(
            "response",
            lambda answer: kept.update({answer.url: answer.headers.get("cache-control", "")}),
        )
        window.sign_in(prepared.ann, "/decisions/risk")
        window.settle()

    statics = {url: said for url, said in kept.items() if "/static/" in url}
    assert len(statics) >= 5
    assert set(statics.values()) == {"public, max-age=31536000, immutable"}
    assert {said for url, said in kept.items() if "/static/" not in url} == {"no-store"}
