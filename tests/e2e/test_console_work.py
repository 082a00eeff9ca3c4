"""People at work in the console, in a real browser: from the door to a corrected decision."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from kingpost.access import revoke_key
from kingpost.cli.people import TaskPeople
from kingpost.core import SystemClock
from kingpost.storage import open_database
from kingpost.tasks import SqliteTasks
from kingpost.workflows import Question
from tests.cli_app import kingpost
from tests.e2e.browser import Chromium, Window
from tests.e2e.console_data import ConsoleData
from tests.e2e.tiny_server import open_keys
from tests.served_shop import ServedShop, order, until

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def data(prepared: ConsoleData, tmp_path_factory: pytest.TempPathFactory) -> ConsoleData:
    return prepared.copied(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def shop(data: ConsoleData) -> Iterator[ServedShop]:
    with data.serve() as shop:
        yield shop
        assert shop.end() == 0
    log = shop.log.read_text()
    assert "Traceback" not in log
    assert not any(key in log for key in (data.ann, data.ben, data.viewer))


@pytest.fixture
def ann(chromium: Chromium, shop: ServedShop, data: ConsoleData) -> Iterator[Window]:
    with chromium.window(shop.url) as window:
        window.sign_in(data.ann)
        yield window


def open_task(window: Window, queue: str = "risk-desk") -> str:
    """Open the first task of a queue; return its id, which is its record's."""
    window.open(f"/inbox?queue={queue}")
    window.page.get_by_role("region", name="Tasks").last.get_by_role("link").first.click()
    expect(window.page.get_by_role("heading", level=1)).to_contain_text("Review")
    return urlsplit(window.page.url).path.rpartition("/")[2]


def review_of(shop: ServedShop, record: str) -> dict[str, object]:
    found: dict[str, object] = shop.client.get(f"/v1/records/{record}").json()["review"]
    return found


def status(page: Page) -> Locator:
    return page.get_by_role("status").filter(visible=True)


def test_a_key_that_is_none_is_refused_and_one_that_is_opens_the_page(
    chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    with chromium.window(shop.url) as window:
        window.expect("status of 401")
        window.open("/records?outcome=review")
        window.page.get_by_label("API key", exact=True).fill("kp_not_one")
        window.page.get_by_role("button", name="Sign in").click()
        expect(window.page.get_by_role("alert")).to_contain_text("not valid")

        window.page.get_by_label("API key", exact=True).fill(data.ann)
        window.page.get_by_role("button", name="Sign in").click()

        expect(window.page.get_by_role("heading", level=1)).to_have_text("Records")
        assert window.page.url.endswith("/records?outcome=review")
        expect(window.page.get_by_label("Outcome")).to_have_value("review")


def test_whoever_leaves_sees_nothing_by_going_back(ann: Window) -> None:
    ann.open("/records")
    ann.page.get_by_label("Account: ann").click()
    ann.page.get_by_role("button", name="Sign out").click()
    expect(ann.page.get_by_role("heading", level=1)).to_have_text("Sign in")

    ann.page.go_back()

    expect(ann.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_overview_shows_what_runs_and_what_waits(ann: Window) -> None:
    card = ann.page.get_by_role("main")

    expect(card.get_by_role("link", name="risk", exact=True).first).to_be_visible()
    expect(card).to_contain_text("approved by ann")
    expect(card).to_contain_text(re.compile("have? drifted"))


def test_a_decision_made_now_is_on_the_overview_by_itself(ann: Window, shop: ServedShop) -> None:
    before = ann.page.get_by_role("main").inner_text()
    for number in range(40):
        assert shop.decide(order(f"now-{number}", 400_000 + number)).status_code == 200

    until(
        lambda: (
            ann.page.wait_for_timeout(200) is None
            and ann.page.get_by_role("main").inner_text() != before
        ),
        "the overview shows the new decisions",
    )


def test_a_review_is_approved_and_the_next_one_comes(ann: Window, shop: ServedShop) -> None:
    record = open_task(ann)
    ann.page.get_by_label("Note, if there is something to say").fill("looks right")

    ann.page.get_by_role("button", name="Approve").click()

    expect(status(ann.page)).to_contain_text("Approved. This is the next task of risk-desk")
    assert record not in ann.page.url
    review = review_of(shop, record)
    assert (review["verdict"], review["by"], review["reason"]) == ("approved", "ann", "looks right")
    ann.open(f"/records/{record}")
    expect(ann.page.get_by_role("main")).to_contain_text("approved by ann")


def test_a_review_is_overridden_with_the_reason(ann: Window, shop: ServedShop) -> None:
    record = open_task(ann)
    proposed = shop.client.get(f"/v1/records/{record}").json()["answer"]["fraud"]
    reason = 'known customer, "called" <b>twice</b> & paid in full'
    ann.page.get_by_label("Why", exact=True).fill(reason)

    ann.page.get_by_role("button", name="Override").click()

    expect(status(ann.page)).to_contain_text("Overridden")
    review = review_of(shop, record)
    assert (review["verdict"], review["reason"]) == ("overridden", reason)
    assert review["positive"] is not proposed
    ann.open(f"/records/{record}")
    expect(ann.page.get_by_role("main")).to_contain_text("overridden by ann")
    expect(ann.page.get_by_role("main")).to_contain_text(reason)
    ann.open("/inbox?tab=closed")
    expect(ann.page.get_by_role("region", name="Tasks").last).to_contain_text("overridden")


def test_an_override_needs_a_reason(ann: Window) -> None:
    record = open_task(ann)

    ann.page.get_by_role("button", name="Override").click()

    assert record in ann.page.url
    assert ann.page.get_by_label("Why", exact=True).evaluate("one => one.validity.valueMissing")


def test_of_two_reviewers_one_answers_and_the_other_keeps_their_words(
    ann: Window, chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    record = open_task(ann)
    with chromium.window(shop.url) as ben:
        ben.sign_in(data.ben, f"/inbox/{record}")
        ben.page.get_by_role("button", name="Claim").click()
        expect(ben.page.get_by_text("you hold it")).to_be_visible()

        ann.expect("status of 409")
        ann.page.get_by_label("Why", exact=True).fill("I was there first")
        ann.page.get_by_role("button", name="Override").click()
        expect(ann.page.get_by_role("alert")).to_contain_text(
            re.compile("ben has claimed", re.IGNORECASE)
        )
        ann.open("/inbox?queue=risk-desk")
        expect(ann.page.get_by_role("region", name="Tasks").last).to_contain_text("ben")

        ben.page.get_by_role("button", name="Release").click()
        expect(ben.page.get_by_role("button", name="Claim")).to_be_visible()
        ben.page.get_by_role("button", name="Approve").click()
        expect(status(ben.page)).to_contain_text("Approved")
    assert review_of(shop, record)["by"] == "ben"


def test_whoever_may_only_read_can_answer_nothing(
    chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    with chromium.window(shop.url) as vera:
        vera.sign_in(data.viewer)
        open_task(vera)

        expect(vera.page.get_by_role("main")).to_contain_text("but not answer it")
        for name in ("Approve", "Override", "Claim"):
            expect(vera.page.get_by_role("button", name=name)).to_have_count(0)


def test_what_a_workflow_asks_is_changed_and_the_workflow_gets_it(
    ann: Window, chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    about: dict[str, object] = {"amount": 100, "currency": "EUR", "to": {"name": "Zoë", "days": 14}}
    with closing(open_database(data.directory / "data" / "tasks.sqlite")) as connection:
        tasks, now_us = SqliteTasks(connection), SystemClock().now_us()
        question = Question("finance", "Pay Zoë 100 €", about, 3_600_000_000, 1, "leads")
        people = TaskPeople(lambda: tasks, "default")
        people.ask("order 17-2", "order 17", question, now_us)

        ann.open("/inbox?tab=approvals")
        ann.page.get_by_role("link", name="Pay Zoë 100 €").click()
        expect(ann.page.get_by_role("heading", level=1)).to_have_text("Pay Zoë 100 €")
        expect(ann.page.get_by_role("main")).to_contain_text("order 17")
        ann.check_access()
        with chromium.window(shop.url, width=360, scheme="dark") as narrow:
            narrow.sign_in(data.ben, "/inbox/order%2017-2")
            narrow.check_access()
            narrow.check_width()

        value = ann.page.get_by_label("The workflow goes on with this instead")
        assert json.loads(value.input_value()) == about
        value.fill('{"amount": 50,}')
        ann.page.get_by_label("Reason; a rejection needs one").fill("half is enough")
        ann.expect("status of 422")
        ann.page.get_by_role("button", name="Go on with the changed value").click()
        expect(ann.page.get_by_role("alert")).to_contain_text("line 1, column 15")
        expect(value).to_be_focused()
        expect(value).to_have_value('{"amount": 50,}')
        ann.check_access()

        value.fill('{"amount": 50}')
        ann.page.get_by_role("button", name="Go on with the changed value").click()

        expect(status(ann.page)).to_contain_text("Modified")
        [answer] = people.answers({"order 17-2": question}).values()
    assert (answer.verdict, answer.by, answer.reason) == ("modified", "ann", "half is enough")
    assert answer.value == {"amount": 50}
    ann.open("/inbox/order%2017-2")
    expect(ann.page.get_by_role("main")).to_contain_text("Modified by ann")
    ann.check_access()


def test_a_record_is_found_by_its_event_and_explained(ann: Window) -> None:
    ann.page.get_by_role("link", name="Records", exact=True).click()
    ann.page.get_by_label("Record id, event key, session or trace id").fill("live-7")
    ann.page.get_by_role("button", name="Search").click()
    rows = ann.page.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    expect(ann.page.get_by_role("heading", level=1)).to_contain_text("live-7")
    here = ann.page.url

    ann.page.get_by_role("link", name="Explain the score").click()

    contributions = ann.page.locator("#why")
    expect(contributions).to_contain_text("Contribution")
    expect(contributions.locator("tbody tr")).not_to_have_count(0)
    assert ann.page.url == here, "the page was not left for it"


def test_records_are_narrowed_by_outcome_review_and_mistakes(ann: Window) -> None:
    ann.open("/records")
    ann.page.get_by_label("Review", exact=True).select_option("overridden")
    ann.page.get_by_role("button", name="Search").click()
    rows = ann.page.get_by_role("table").locator("tbody tr")
    expect(rows.first).to_contain_text("overridden")

    ann.page.get_by_label("Review", exact=True).select_option("")
    ann.page.get_by_label("Mistaken only").check()
    ann.page.get_by_role("button", name="Search").click()
    expect(rows.first).to_contain_text("mistaken")

    ann.page.get_by_role("link", name="Clear").click()
    ann.page.get_by_label("Record id, event key, session or trace id").fill("there is none")
    ann.page.get_by_role("button", name="Search").click()
    expect(ann.page.get_by_role("main")).to_contain_text("Nothing found")


def test_a_decision_that_nobody_was_asked_about_is_corrected(ann: Window, shop: ServedShop) -> None:
    ann.open("/records?outcome=decided")
    ann.page.get_by_role("table").locator("tbody tr").get_by_role("link").first.click()
    expect(ann.page.get_by_role("heading", name="Correct this decision")).to_be_visible()
    record = urlsplit(ann.page.url).path.rpartition("/")[2]

    ann.page.get_by_label("Why", exact=True).fill("the parcel was found")
    ann.page.get_by_role("button", name="Correct").click()

    expect(status(ann.page)).to_contain_text("Corrected")
    assert review_of(shop, record)["verdict"] == "overridden"


def test_an_incident_names_the_feature_and_is_acknowledged(ann: Window) -> None:
    ann.page.get_by_role("link", name=re.compile("^Incidents")).first.click()
    ann.page.get_by_role("link", name=re.compile("amount.*drifted", re.IGNORECASE)).first.click()
    expect(ann.page.get_by_role("heading", level=1)).to_contain_text(
        re.compile("amount", re.IGNORECASE)
    )
    expect(ann.page.get_by_role("region", name="Decisions it affected").last).to_contain_text(
        "live-"
    )

    ann.page.get_by_label("Note").fill("the shop sends cents; told them")
    ann.page.get_by_role("button", name="Acknowledge").click()

    expect(status(ann.page)).to_contain_text("Acknowledged")
    ann.page.reload()
    expect(ann.page.get_by_role("main")).to_contain_text("the shop sends cents; told them")


def test_a_drifted_feature_is_drawn_beside_its_reference(ann: Window) -> None:
    ann.open("/decisions/risk")
    ann.page.get_by_role("link", name="amount", exact=True).click()
    expect(ann.page.get_by_role("heading", level=1)).to_contain_text("amount")

    ann.settle()

    assert ann.page.locator("figure.chart canvas").count() >= 2
    first = ann.page.locator("details.data").first
    first.locator("summary").click()
    expect(first.get_by_role("table")).to_be_visible()


def ground(window: Window) -> str:
    colour: str = window.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return colour


def test_the_colours_follow_the_system_until_somebody_chooses(
    chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    grounds: list[str] = []
    for scheme in ("light", "dark"):
        with chromium.window(shop.url, scheme=scheme) as window:
            window.sign_in(data.viewer)
            grounds.append(ground(window))
    with chromium.window(shop.url, scheme="light") as window:
        window.sign_in(data.viewer)
        window.page.get_by_label("Account: vera").click()
        window.page.get_by_role("button", name="Dark").click()
        expect(window.page.locator("html")).to_have_attribute("data-theme", "dark")
        assert ground(window) == grounds[1] != grounds[0]

        window.open("/inbox")
        assert ground(window) == grounds[1], "it is remembered"
        window.page.get_by_label("Account: vera").click()
        window.page.get_by_role("button", name="System").click()
        window.open("/inbox")
        assert ground(window) == grounds[0]


def tab_to(window: Window, is_there: Callable[[str], bool], limit: int = 150) -> None:
    """Press Tab until something is reached, and see that the focus shows on the way."""
    for _ in range(limit):
        window.page.keyboard.press("Tab")
        name, shows = window.page.evaluate(
            """() => {
                const one = document.activeElement, style = getComputedStyle(one);
                const label = one.labels?.[0] ?? one;
                return [label.textContent.trim(), style.outlineStyle !== "none"];
            }"""
        )
        assert shows, f"the focus on {name!r} does not show"
        if is_there(name):
            return
    raise AssertionError("the keyboard does not get there")


def test_all_of_a_review_works_by_the_keyboard_alone(
    chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    with chromium.window(shop.url) as window:
        keyboard = window.page.keyboard
        window.open("/")
        expect(window.page.get_by_label("API key", exact=True)).to_be_focused()
        keyboard.type(data.ann)
        keyboard.press("Enter")
        window.page.wait_for_url(shop.url + "/")
        window.settle()

        tab_to(window, lambda name: name.startswith("Skip"), limit=1)
        tab_to(window, lambda name: name.startswith("Inbox"))
        keyboard.press("Enter")
        expect(window.page.get_by_role("heading", level=1)).to_have_text("Inbox")
        window.settle()
        tab_to(window, lambda name: name.startswith("Skip"), limit=1)
        keyboard.press("Enter")
        tab_to(window, lambda name: name.startswith("risk-desk"))
        keyboard.press("Enter")
        window.page.wait_for_url("**/inbox?*queue=risk-desk")
        window.settle()
        tab_to(window, lambda name: name.startswith("live-"))
        keyboard.press("Enter")
        window.page.wait_for_url("**/inbox/*")
        window.settle()
        record = urlsplit(window.page.url).path.rpartition("/")[2]
        tab_to(window, lambda name: name == "Why")
        keyboard.type("by keyboard")
        tab_to(window, lambda name: name == "Override", limit=1)
        keyboard.press("Enter")

        expect(status(window.page)).to_contain_text("Overridden")
        assert review_of(shop, record)["reason"] == "by keyboard"


def test_forms_work_where_no_script_runs(
    chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    with chromium.window(shop.url, scripts=False) as window:
        window.sign_in(data.ann)
        record = open_task(window)
        window.page.get_by_role("link", name="Explain the score").click()
        expect(window.page.locator("#why")).to_contain_text("Contribution")

        window.page.get_by_label("Why", exact=True).fill("without scripts")
        window.page.get_by_role("button", name="Override").click()

        expect(status(window.page)).to_contain_text("Overridden")
        assert review_of(shop, record)["reason"] == "without scripts"


def test_what_callers_send_is_shown_as_text_and_runs_nowhere(ann: Window, shop: ServedShop) -> None:
    key = "<img src=x onerror=alert(1)>'\"&{{7*7}}"
    body = order("0", 500_000).replace(b'"id":"0"', b'"id":' + httpx_json(key))
    record = shop.decide(body).json()["id"]
    shown: list[str] = []
    ann.page.on("dialog", lambda dialog: shown.append(dialog.message))
    until(
        lambda: shop.client.get(f"/v1/records?decision=risk&text={record}").json()["records"] != [],
        "the search has the record",
    )

    ann.open(f"/records?text={record}")
    expect(ann.page.get_by_role("table")).to_contain_text(key)
    ann.page.get_by_role("table").locator("tbody").get_by_role("link").first.click()
    expect(ann.page.get_by_role("heading", level=1)).to_contain_text(key)
    ann.settle()

    assert shown == []


def httpx_json(value: str) -> bytes:
    return httpx.Request("POST", "http://x", json=value).content


def test_a_page_that_nobody_has_says_so_and_leads_back(ann: Window) -> None:
    ann.expect("status of 404")
    for path in ("/nothing", "/records/none", "/decisions/none", "/inbox/none", "/models/x/1"):
        assert ann.open(path).status == 404
        ann.page.get_by_role("link", name="Go to the overview").click()
        ann.page.wait_for_url(ann.url + "/")


def test_an_open_page_leads_to_the_door_when_its_key_is_revoked(
    chromium: Chromium, shop: ServedShop, data: ConsoleData
) -> None:
    made = kingpost(data.directory, "keys", "create", "--scope", "records", "--json")
    with chromium.window(shop.url) as window:
        window.expect("status of 401")
        window.sign_in(str(made["secret"]))
        expect(window.page.get_by_role("heading", level=1)).not_to_have_text("Sign in")

        revoke_key(open_keys(data.directory / "data"), SystemClock(), str(made["id"]))

        expect(window.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_proof_is_checked_by_the_browser_and_a_changed_one_refused(
    ann: Window, shop: ServedShop
) -> None:
    record = shop.decide(order("proved")).json()["id"]
    page = ann.page
    until(
        lambda: page.request.get(f"{shop.url}/records/{record}/proof").ok,
        "the record is in the log",
    )
    ann.open(f"/records/{record}")
    panel = page.get_by_role("region", name="Proof")
    panel.get_by_role("button").click()
    expect(panel.get_by_role("status")).to_contain_text("Proved here")
    expect(panel.get_by_role("status")).to_contain_text("first time")
    panel.get_by_role("button").click()
    expect(panel.get_by_role("status")).to_contain_text("has seen before")
    ann.check_access()

    def changed(route: Route) -> None:
        proof = route.fetch().json()
        body = bytearray(base64.b64decode(proof["entries"][0]["body"]))
        body[-1] ^= 1
        proof["entries"][0]["body"] = base64.b64encode(bytes(body)).decode()
        route.fulfill(json=proof)

    page.route("**/proof", changed)
    panel.get_by_role("button").click()
    expect(panel.get_by_role("status")).to_contain_text("Not proved: entry")


def test_a_proof_of_another_log_key_is_not_taken_for_the_same(
    ann: Window, shop: ServedShop
) -> None:
    record = shop.decide(order("other-key")).json()["id"]
    page = ann.page
    until(
        lambda: page.request.get(f"{shop.url}/records/{record}/proof").ok,
        "the record is in the log",
    )
    origin = page.request.get(f"{shop.url}/records/{record}/proof").json()["proof"].split("\n\n")[1]
    ann.open(f"/records/{record}")
    page.evaluate(
        "name => localStorage.setItem(`kingpost-log-key:${name}`, 'another+00000000+AQ==')",
        origin.split("\n")[0],
    )
    panel = page.get_by_role("region", name="Proof")
    panel.get_by_role("button").click()

    expect(panel.get_by_role("status")).to_contain_text("has seen another key")
