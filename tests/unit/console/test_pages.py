"""The pages over the small application: what they show, to whom, and what their forms do."""

import re

import pytest
from msgspec import structs

from kingpost.access import Principal
from kingpost.contracts import Instant
from kingpost.decisions import record_features
from kingpost.monitoring import MINUTE_US, Freshness, FreshnessWatch, Profile
from kingpost.records import KnownLabel, Outcome, RecordQuery
from kingpost.registry import ExportRun, FeatureDefinition
from kingpost.tasks import Task
from tests.console_house import ConsoleHouse, run_console
from tests.review_house import INCIDENT
from tests.tiny_app import fraud
from tests.unit.monitoring.test_slo import ANSWERED, NOON, observed, rows_of
from tests.watched import DAY_US, START_US

PATHS = (
    "/",
    "/parts/overview",
    "/decisions/fraud",
    "/decisions/fraud/live",
    "/records",
    "/inbox",
    "/inbox?tab=approvals",
    "/inbox?tab=incidents",
    "/inbox?tab=mine",
    "/inbox?tab=closed",
    "/incidents",
    "/incidents?state=open&decision=fraud",
    "/features",
    "/features?text=card&kind=window",
    "/features?owner=nobody",
    "/features/card_mean_7d",
    "/features/share",
    "/models",
    "/approvals",
    "/checkpoints",
    "/erasures",
    "/exports",
)
NOBODY = "0199f2a0-7c00-7000-8000-00000000002a"


def text_of(page: str) -> str:
    """Return what of a page people read, its space made one."""
    without = re.sub(r"<script.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", without)


def test_every_page_has_something_to_say_when_nothing_was_decided() -> None:
    async def scene(house: ConsoleHouse) -> None:
        for path in PATHS:
            assert await house.page(path)
        assert "Waiting for its first request" in await house.page("/")
        assert "Nothing was decided yet" in await house.page("/decisions/fraud")
        assert "No records yet" in await house.page("/records")
        assert "Nothing waits" in await house.page("/inbox")
        assert "No incidents" in await house.page("/incidents")

    run_console(scene)


def test_no_page_has_scripts_or_styles_of_its_own_or_loads_from_elsewhere(
    reference: Profile,
) -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)
        house.behind.alarm()
        house.drift()
        more = (
            f"/records/{record}?explain=1",
            f"/inbox/{record}",
            f"/incidents/{INCIDENT.id}",
            "/decisions/fraud/features/amount?span=7d",
        )
        for path in (*PATHS, *more):
            page = await house.page(path)
            assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on|hx-vals", page)
            assert not re.search(r'(?:src|href|action)="(?!/|#)', page), path
            for script in re.findall(r"<script[^>]*>", page):
                assert "src=" in script or "application/json" in script

    run_console(scene, reference)


def test_what_a_page_loads_is_kept_for_ever_under_its_digest() -> None:
    async def scene(house: ConsoleHouse) -> None:
        page = await house.page("/decisions/fraud")
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
        assert len(set(files)) >= 6
        for path in files:
            found = await house.get(path)
            assert found.status_code == 200
            assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await house.get(files[0].replace("/static/", "/static/0"))).status_code == 404
        assert (await house.get("/static/x/../visit.py")).status_code == 404
        assert (await house.get("/")).headers["cache-control"] == "no-store"

    run_console(scene)


def test_every_answer_says_how_long_it_took() -> None:
    async def scene(house: ConsoleHouse) -> None:
        for path in ("/", "/nowhere"):
            found = await house.get(path)
            assert re.fullmatch(r"total;dur=\d+\.\d", found.headers["server-timing"])

    run_console(scene)


def test_the_api_and_its_documentation_stay_where_they_were() -> None:
    async def scene(house: ConsoleHouse) -> None:
        for path in ("/docs", "/openapi.json", "/health/live"):
            assert (await house.get(path)).status_code == 200
        assert (await house.get("/v1/decisions")).json()["code"] == "api_key_missing"
        assert (await house.get("/v1/nowhere")).json()["code"] == "not_found"

    run_console(scene)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        (f"/records/{NOBODY}", 404),
        ("/records/none", 404),
        ("/decisions/none", 404),
        ("/decisions/fraud/features/none", 404),
        ("/inbox/none", 404),
        ("/incidents/none", 404),
        ("/models/fraud/99", 404),
        ("/models/fraud/x", 404),
        ("/records?outcome=odd", 422),
        ("/records?since=soon", 422),
        ("/records?before=1:x", 422),
        (f"/records?before={'9' * 30}:1", 422),
        (f"/records?text={'x' * 300}", 422),
    ],
)
def test_what_is_not_there_is_an_error_page_that_says_so(path: str, status: int) -> None:
    async def scene(house: ConsoleHouse) -> None:
        await house.behind.decided("p1", 600)
        found = await house.get(path)
        assert found.status_code == status
        assert "<h1" in found.text

    run_console(scene)


def test_an_error_page_has_the_trace_id_and_a_part_of_a_page_is_no_page() -> None:
    async def scene(house: ConsoleHouse) -> None:
        trace = "0af7651916cd43dd8448eb211c80319c"
        parent = f"00-{trace}-00f067aa0ba902b7-01"
        page = await house.get("/records/none", traceparent=parent)
        part = await house.get("/records/none/explanation", traceparent=parent, hx_request="true")

        assert trace in page.text
        assert page.text.startswith("<!doctype html>")
        assert part.status_code == 404
        assert part.text.startswith('<div class="notice bad"')
        assert trace in part.text

    run_console(scene)


def test_a_record_says_what_was_answered_from_what_and_what_stands() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)
        house.behind.records.label(
            "acme", "fraud", [KnownLabel("p1", positive=False, known_us=10**15, offset=99)]
        )

        page = text_of(await house.page(f"/records/{record}"))

        assert "The answer was fraud , with a score of 0.600" in page
        assert "confidence below 0.75; review by fraud-desk" in page
        assert "so it was mistaken" in page
        assert "card c1" in page
        assert "feature 1 600" in page
        assert f"kingpost replay {record}" in page
        assert "queue" in page

    run_console(scene)


def test_an_explanation_is_brought_as_a_part_or_as_a_page(reference: Profile) -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)
        part = await house.page(f"/records/{record}/explanation")
        page = await house.page(f"/records/{record}?explain=1")

        assert "Explain the score" in await house.page(f"/records/{record}")
        for found in (part, page):
            assert "+0.5000" in found
            assert "missing" in found
            assert 'width="50.0%"' in found
        assert "<html" not in part

    run_console(scene, reference)


def test_what_a_request_says_is_shown_as_text() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("<b>&p1", 600)

        for path in ("/", "/records", f"/records/{record}", "/inbox", f"/inbox/{record}"):
            page = await house.page(path)
            assert "<b>&p1" not in page
            assert "&lt;b&gt;&amp;p1" in page

    run_console(scene)


def test_the_search_finds_by_key_outcome_and_review_and_pages_by_place() -> None:
    async def scene(house: ConsoleHouse) -> None:
        for number in range(60):
            await house.behind.decided(f"p{number}", 600 if number % 2 else 900)

        first = await house.page("/records")
        by_key = await house.page("/records?decision=fraud&text=p7")
        reviews = await house.page("/records?outcome=review&review=none")
        none = await house.page("/records?review=overridden")

        assert len(re.findall(r'<tr>\s*<th scope="row"', first)) == 50
        older = re.search(r'rel="next" href="([^"]+)"', first)
        assert older
        second = await house.page(older[1].replace("&amp;", "&"))
        assert len(re.findall(r'<tr>\s*<th scope="row"', second)) == 10
        keys = re.findall(r'class="clip">(p\d+)<', first + second)
        assert sorted(keys) == sorted({f"p{number}" for number in range(60)})
        assert "Newest" in second
        assert re.findall(r'class="clip">(p\d+)<', by_key) == ["p7"]
        assert len(re.findall(r'class="clip">', reviews)) == 30
        assert "Nothing found" in none

    run_console(scene)


def test_an_approval_leads_to_the_next_task_and_the_last_to_the_list() -> None:
    async def scene(house: ConsoleHouse) -> None:
        first, second = [await house.behind.decided(name, 600) for name in ("p1", "p2")]

        one = await house.send(f"/inbox/{first}/approve", {"reason": ""})
        two = await house.send(f"/inbox/{second}/override", {"positive": "no", "reason": "known"})

        assert (one.status_code, one.headers["location"]) == (
            303,
            f"/inbox/{second}?done=approved",
        )
        assert (two.status_code, two.headers["location"]) == (303, "/inbox?done=overridden")
        assert [review.verdict for review in house.behind.reviews()] == ["approved", "overridden"]
        closed = text_of(await house.page("/inbox?tab=closed"))
        assert "approved" in closed
        assert "overridden" in closed
        page = text_of(await house.page(f"/records/{second}"))
        assert "overridden by ann" in page
        assert "known" in page

    run_console(scene)


def test_a_claim_is_shown_to_others_and_given_back() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)

        assert (await house.send(f"/inbox/{record}/claim", {})).status_code == 303
        assert "you hold it" in await house.page(f"/inbox/{record}")
        assert "p1" in await house.page("/inbox?tab=mine")
        house.door.principal = Principal("k2", "acme", frozenset(("review",)), "bob")
        assert "ann works on this" in text_of(await house.page(f"/inbox/{record}"))
        refused = await house.send(
            f"/inbox/{record}/override", {"positive": "no", "reason": "mine"}
        )
        assert refused.status_code == 409
        assert "ann has claimed this task" in text_of(refused.text).lower()
        house.door.principal = Principal("k1", "acme", frozenset(("review",)), "ann")
        assert (await house.send(f"/inbox/{record}/release", {})).status_code == 303
        assert "nobody" in await house.page("/inbox")

    run_console(scene)


def test_a_form_that_cannot_be_taken_says_why_and_keeps_the_words() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)

        too_long = await house.send(
            f"/inbox/{record}/override", {"positive": "no", "reason": "my words" * 300}
        )
        no_answer = await house.send(f"/records/{record}/correct", {"reason": "my words"})

        assert (too_long.status_code, no_answer.status_code) == (422, 422)
        assert "my words" in too_long.text
        assert 'role="alert"' in no_answer.text
        assert "my words" in no_answer.text
        assert house.behind.reviews() == []

    run_console(scene)


def test_any_record_can_be_corrected_by_whoever_may_review() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 900)

        done = await house.send(
            f"/records/{record}/correct", {"positive": "no", "reason": "called them"}
        )

        assert done.headers["location"] == f"/records/{record}?done=corrected"
        [line] = house.behind.records.find(_all())
        assert (line.outcome, line.positive, line.stands) == (Outcome.DECIDED, True, False)
        house.door.principal = Principal("k3", "acme", frozenset(("records",)), "eve")
        assert "Correct this decision" not in await house.page(f"/records/{record}")
        assert (await house.send(f"/records/{record}/correct", {})).status_code == 422
        refused = await house.send(
            f"/records/{record}/correct", {"positive": "yes", "reason": "no"}
        )
        assert refused.status_code == 403

    run_console(scene)


def test_another_tenant_sees_nothing() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)
        house.behind.alarm()
        house.door.principal = Principal("k9", "other", frozenset(("records", "review")), "max")

        for path in ("/", "/records", "/inbox", "/incidents"):
            assert "p1" not in await house.page(path)
        for path in (f"/records/{record}", f"/inbox/{record}", f"/incidents/{INCIDENT.id}"):
            assert (await house.get(path)).status_code == 404
        assert (await house.send(f"/inbox/{record}/approve", {})).status_code == 404

    run_console(scene)


def test_a_reviewer_of_one_queue_opens_its_tasks_alone() -> None:
    async def scene(house: ConsoleHouse) -> None:
        record = await house.behind.decided("p1", 600)
        house.behind.alarm()
        other = "0199f2a0-7c00-7000-8000-0000000000ff"
        house.behind.tasks.add([_task(other, "other-desk")])
        scopes = frozenset(("review:fraud-desk",))
        house.door.principal = Principal("k4", "acme", scopes, "kim")

        assert (await house.get("/")).headers["location"] == "/inbox"
        inbox = await house.page("/inbox")
        assert record in inbox
        assert other not in inbox
        assert 'href="/records"' not in inbox
        assert (await house.get(f"/inbox/{other}")).status_code == 404
        assert (await house.get("/records")).status_code == 403
        assert (await house.get(f"/records/{record}")).status_code == 403
        assert (await house.get(f"/incidents/{INCIDENT.id}")).status_code == 404
        sure = await house.behind.decided("p2", 900)
        assert (await house.get(f"/records/{sure}/explanation")).status_code == 404
        assert (await house.get(f"/records/{record}/explanation")).status_code == 200
        assert (await house.send(f"/inbox/{record}/approve", {})).status_code == 303

    run_console(scene)


def test_an_incident_is_acknowledged_once_and_stays_open() -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.behind.alarm()
        path = f"/incidents/{INCIDENT.id}"
        assert (await house.get(f"/inbox/{INCIDENT.id}")).headers["location"] == path

        done = await house.send(f"{path}/acknowledge", {"reason": "told the gateway's people"})
        again = await house.send(f"{path}/acknowledge", {"reason": "me too"})

        assert done.headers["location"] == f"{path}?done=acknowledged"
        assert again.status_code == 409
        page = text_of(await house.page(path))
        assert "told the gateway's people" in page.replace("&#39;", "'")
        assert "open" in page

    run_console(scene)


def test_a_decision_shows_what_is_left_of_its_budgets() -> None:
    async def scene(house: ConsoleHouse) -> None:
        observed(house.behind.monitors, rows_of(range(130), failed=[True] * 130))
        house.behind.clock.us = NOON * MINUTE_US + 130_000_000
        await house.behind.decided("p1", 900)
        page = text_of(await house.page("/decisions/fraud"))
        assert "answered · 99.900%" in page
        assert "burns too fast" in page
        assert "-99900.0%" in page
        assert "1h/5m 1e+03×, 6h/30m 1e+03×, 3d/6h 1e+03×" in page

    async def promises_nothing(house: ConsoleHouse) -> None:
        await house.behind.decided("p1", 900)
        assert "Promises" not in await house.page("/decisions/fraud")

    run_console(scene, slos=(ANSWERED,))
    run_console(promises_nothing)


def test_an_incident_is_noted_reviewed_again_and_reported() -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.behind.alarm()
        sure = await house.behind.decided("p1", 900)
        path = f"/incidents/{INCIDENT.id}"

        noted = await house.send(f"{path}/note", {"reason": "the gateway sends <cents>"})
        sent = await house.send(f"{path}/review", {"reason": "cents"})
        empty = await house.send(f"{path}/note", {"reason": " "})

        assert noted.headers["location"] == f"{path}?done=noted"
        assert sent.headers["location"] == f"{path}?done=sent:1"
        assert (empty.status_code, "it is empty" in empty.text) == (422, True)
        page = await house.page(f"{path}?done=sent:1")
        assert "1 decisions wait for a review" in text_of(page)
        assert "the gateway sends &lt;cents&gt;" in page
        assert f'href="/records/{sure}"' in page
        assert sure in await house.page("/inbox")
        report = await house.get(f"{path}/report.md")
        assert report.headers["content-type"].startswith("text/markdown")
        assert "the gateway sends \\<cents\\>" in report.text
        assert (await house.send(f"{path}/forget", {})).status_code == 404

    run_console(scene)


def test_a_stale_pipeline_is_an_incident_with_what_to_do() -> None:
    async def scene(house: ConsoleHouse) -> None:
        stale = Freshness(
            tenant="acme",
            source="pipeline limits",
            is_stale=True,
            until_us=START_US,
            allowed_us=DAY_US,
            title="limits is stale",
            facts=("its last run failed: unreadable_source",),
        )
        [incident] = FreshnessWatch(house.behind.monitors).judge(["acme"], [stale], START_US + 1)

        assert "Limits is stale" in text_of(await house.page("/incidents"))
        page = await house.page(f"/incidents/{incident.id}")
        assert "Its last run failed: unreadable_source" in text_of(page)
        assert "it is tried again by itself" in text_of(page)
        assert "docs/pipelines.md" in page
        assert "/decisions/pipeline" not in page
        assert "Limits is stale" in text_of(await house.page("/"))

    run_console(scene)


def test_a_drift_is_seen_on_the_overview_the_decision_the_feature_and_the_incident(
    reference: Profile,
) -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.drift()
        [incident] = [one for one in house.behind.monitors.incidents("acme") if one.kind == "drift"]

        assert "amount has drifted" in (await house.page("/")).replace("Amount", "amount")
        decision = text_of(await house.page("/decisions/fraud?span=24h"))
        assert re.search(r"amount beyond its limit", decision)
        feature = await house.page("/decisions/fraud/features/amount?span=24h")
        assert "Population stability index of amount" in feature
        assert "beyond" in text_of(feature)
        assert "Population stability index of amount" in await house.page(
            f"/incidents/{incident.id}"
        )
        for span in ("3h", "7d", "28d"):
            assert await house.page(f"/decisions/fraud?span={span}")

    run_console(scene, reference)


def test_a_decision_too_rare_to_be_judged_is_not_called_healthy(reference: Profile) -> None:
    async def scene(house: ConsoleHouse) -> None:
        await house.behind.decided("p1", 100)

        assert "Too few decisions to judge" in await house.page("/")
        decision = await house.page("/decisions/fraud")
        assert "Too few decisions to judge" in decision
        assert "Healthy" not in decision

    run_console(scene, reference)


def test_a_time_in_the_far_future_does_not_empty_the_charts(reference: Profile) -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.drift()
        seen = house.behind.records.find(_all())[0]
        far_us = house.behind.clock.now_us() + 10 * 365 * DAY_US
        later = structs.replace(seen, id=b"f" * 16, offset=seen.offset + 1, event_time_us=far_us)
        house.behind.records.add([later])

        decision = text_of(await house.page("/decisions/fraud"))
        assert re.search(r"up to 20\d\d", decision)
        assert f"up to {far_us // (365 * DAY_US) + 1970}" not in decision

    run_console(scene, reference)


def test_a_bundle_that_did_not_run_is_not_looked_at_alone(reference: Profile) -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.drift()
        for bundle in ("zz", "00" * 32, "00"):
            assert await house.page(f"/decisions/fraud?bundle={bundle}")

    run_console(scene, reference)


def test_the_colours_somebody_chose_are_kept_and_lead_back_to_our_pages_only() -> None:
    async def scene(house: ConsoleHouse) -> None:
        dark = await house.send("/theme", {"theme": "dark", "back": "/inbox"})
        assert dark.headers["location"] == "/inbox"
        assert 'data-theme="dark"' in await house.page("/")
        for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", ""):
            sent = await house.send("/theme", {"theme": "system", "back": elsewhere})
            assert sent.headers["location"] == "/"
        assert "data-theme" not in await house.page("/")

    run_console(scene)


def test_the_catalogue_lists_what_was_asked_for_and_nothing_else() -> None:
    async def scene(house: ConsoleHouse) -> None:
        page = text_of(await house.page("/features"))
        assert "All features 7 of 7" in page
        assert "mean of payment.amount over 7d by card" in page
        found = await house.page("/features?stream=chargeback")
        assert 'href="/features/shop_rate_7d"' in found
        assert 'href="/features/share"' not in found
        assert "Nothing found" in await house.page("/features?text=nothing+like+this")

    run_console(scene)


def test_a_page_of_the_catalogue_leads_to_what_a_feature_takes_and_feeds(
    reference: Profile,
) -> None:
    async def scene(house: ConsoleHouse) -> None:
        record_features(house.control, fraud)
        house.drift()

        taking, fed = (
            await house.page("/features/share"),
            await house.page("/features/card_mean_7d"),
        )

        assert 'href="/features/card_mean_7d"' in taking
        assert 'href="/features/share"' in fed
        assert "def share" in taking
        assert "not judged yet" in text_of(taking)
        assert "not yet" not in text_of(taking).split("Versions")[1].split("Definition")[0]
        amount = await house.page("/features/amount")
        assert 'href="/decisions/fraud/features/amount"' in amount
        assert "Fresh until" in text_of(amount)
        drift = await house.page("/decisions/fraud/features/amount")
        assert 'href="/features/amount"' in drift

    run_console(scene, reference)


def test_a_feature_of_before_is_shown_and_one_that_never_was_is_not() -> None:
    async def scene(house: ConsoleHouse) -> None:
        gone = FeatureDefinition(name="gone", version="ab" * 32, definition={"field": "gone"})
        house.control.register_features("fraud", "c" * 64, [gone])

        assert "declared no longer" in text_of(await house.page("/features/gone"))
        assert (await house.get("/features/nothing")).status_code == 404
        assert 'href="/features/gone"' not in await house.page("/features")

    run_console(scene)


def _all() -> RecordQuery:
    return RecordQuery(tenant="acme", decision="fraud")


def _task(identifier: str, queue: str) -> Task:
    return Task(
        id=identifier, tenant="acme", kind="review", queue=queue, decision="fraud",
        subject=identifier, title="elsewhere", created_us=0, event_time_us=0,
    )  # fmt: skip


def test_an_auditor_sees_the_exports_of_the_tenant_and_of_all() -> None:
    async def scene(house: ConsoleHouse) -> None:
        for tenant, by in (("acme", "ann"), (None, "bob"), ("other", "mallory")):
            house.control.note_export(
                ExportRun(
                    format=1, partition="data", stop=7, personal="encrypted", records=3, reviews=0,
                    erasures=0, proofs=0, manifest="a" * 64, by=by, at_us=START_US,
                    selection={"since_us": START_US, "decision": None, "tenant": tenant},
                )
            )  # fmt: skip
        house.door.principal = Principal("k9", "acme", frozenset(("audit",)), "eve")
        page = text_of(await house.page("/exports"))

        assert "ann" in page
        assert "bob" in page
        assert "mallory" not in page
        assert f"since {Instant(START_US).isoformat()}, tenant acme" in page
        assert "No checkpoint yet" in await house.page("/checkpoints")  # of the records
        assert (await house.get("/records")).status_code == 403
        house.door.principal = Principal("k9", "acme", frozenset(("review",)), "eve")
        for path in ("/checkpoints", "/erasures", "/exports"):
            assert (await house.get(path)).status_code == 403

    run_console(scene)
