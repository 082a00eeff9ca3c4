"""Workflows in a real browser and over the described API, with a worker beside the server."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli_app import SOURCE, kingpost, write_history
from tests.e2e.browser import Chromium, Scheme
from tests.served_shop import ServedShop, until

WORKFLOWS = '''

@kp.step
def reserve(amount: int) -> int:
    return amount


@kp.step(retries=kp.retries(3, "10ms"))
def charge(amount: int) -> str:
    if amount > 100:
        raise ConnectionError("the bank does not answer")
    return "paid"


@kp.workflow
def pay(amount: int, customer: str) -> dict[str, str]:
    """Reserve, then charge."""
    reserve(amount)
    return {"state": charge(amount), "customer": customer}


@kp.workflow
async def deliver(order: str) -> str:
    """Wait until it is packed, then for somebody of the desk."""
    await kp.event("packed", within="10d")
    answer = await kp.ask("risk-desk", f"deliver {order}?", within="1d")
    return answer.verdict


@kp.workflow(shows_input=False)
def tell(card: str) -> str:
    """What nobody may see."""
    return card
'''
STARTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "paid": ("pay", {"amount": 10, "customer": "ann"}),
    "unpaid": ("pay", {"amount": 1000, "customer": "bob"}),
    "packing": ("deliver", {"order": "o17"}),
    "asking": ("deliver", {"order": "o18"}),
    "hidden": ("tell", {"card": "4111"}),
    "later": ("pay", {"amount": 20, "customer": "eve"}),
}
SETTLED = {
    "paid": "done",
    "unpaid": "failed",
    "packing": "running",
    "asking": "running",
    "hidden": "done",
    "later": "delayed",
}
PAGES = (
    "/workflows",
    "/workflows?workflow=pay&state=failed",
    "/workflows?state=given_up",
    *(f"/workflows/default:{key}" for key in STARTS),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    """An installation whose workflows ended, failed and wait."""
    directory = tmp_path_factory.mktemp("workflows")
    (directory / "shop_app.py").write_text(SOURCE + WORKFLOWS)
    write_history(directory)
    kingpost(directory, "ingest", "shop_app.py", "order", "orders.csv", "--json")
    kingpost(directory, "ingest", "shop_app.py", "chargeback", "chargebacks.csv", "--json")
    kingpost(directory, "train", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    scopes = [w for one in ("records", "review", "workflows") for w in ("--scope", one)]
    secret = str(kingpost(directory, "keys", "create", *scopes, "--json")["secret"])
    with ServedShop(directory, secret, "--no-watch") as served:
        for key, (name, given) in STARTS.items():
            after = "1d" if key == "later" else ""
            body = {"workflow": name, "input": given, "key": key, "after": after}
            answered = served.client.post("/v1/workflows", json=body)
            assert answered.status_code == 202, answered.text
        event = {"topic": "packed", "value": True}
        served.client.post("/v1/workflows/default:asking/events", json=event)
        until(lambda: states(served) == SETTLED, "the workflows to end or wait")
        until(lambda: waits(served, "asking") == ["person"], "the question")
        yield served


def states(shop: ServedShop) -> Mapping[str, str]:
    found = shop.client.get("/v1/workflows").json()["workflows"]
    return {one["id"].removeprefix("default:"): one["state"] for one in found}


def waits(shop: ServedShop, key: str) -> list[str]:
    found = shop.client.get(f"/v1/workflows/default:{key}").json()["waits_for"]
    return [one["kind"] for one in found]


def key_of(shop: ServedShop) -> str:
    return shop.headers["authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_the_pages_can_be_used_by_everybody_on_every_screen(
    chromium: Chromium, shop: ServedShop, scheme: Scheme, width: int, tmp_path: Path
) -> None:
    with chromium.window(shop.url, scheme=scheme, width=width) as window:
        window.sign_in(key_of(shop))
        for number, path in enumerate(PAGES):
            assert window.open(path).status == 200, path
            window.check_width()
            window.check_access()
            window.page.screenshot(path=tmp_path / f"{number}.png", full_page=True)


def test_somebody_finds_what_failed_and_does_it_again(chromium: Chromium, shop: ServedShop) -> None:
    with chromium.window(shop.url) as window:
        page = window.page
        window.sign_in(key_of(shop))
        page.get_by_role("link", name="Workflows").click()
        page.get_by_label("State").select_option("failed")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("link", name="pay default:unpaid").click()
        assert "the bank does not answer" in page.locator("main").inner_text()
        assert page.get_by_label("From step").input_value() == "2"

        page.get_by_role("button", name="Do it again").click()

        page.get_by_text("This is the new workflow").wait_for()
        window.check_access()
        assert page.get_by_role("link", name="default:unpaid").is_visible()


def test_somebody_is_led_to_the_task_and_ends_what_waits(
    chromium: Chromium, shop: ServedShop
) -> None:
    with chromium.window(shop.url) as window:
        page = window.page
        window.sign_in(key_of(shop))
        window.open("/workflows/default:asking")
        task = page.get_by_role("link", name="open the task").get_attribute("href")
        assert task is not None
        assert task.startswith("/inbox/default%3Aasking-")

        page.get_by_role("button", name="Cancel the workflow").click()

        page.get_by_text("What is done stays done", exact=False).first.wait_for()
        assert page.get_by_role("button", name="Cancel the workflow").count() == 0
        page.get_by_role("button", name="Resume").click()
        page.get_by_text("It goes on behind its last step").first.wait_for()


def test_the_api_keeps_to_its_description_where_there_are_workflows(shop: ServedShop) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "run", f"{shop.url}/openapi.json",
         "--header", f"Authorization: {shop.headers['authorization']}", "--checks", "all",
         "--include-path-regex", "^/v1/workflows",
         # a schema cannot say which workflows there are, nor what they take
         "--exclude-checks", "negative_data_rejection,positive_data_acceptance",
         "--max-examples", "25", "--seed", "7", "--no-color", "--generation-database", "none",
         "--warnings", "off", "--continue-on-failure"],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.schema_hooks"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in shop.log.read_text()
