"""The catalogue over the API: who may read it, what it says, what it refuses."""

from kingpost.decisions import record_features
from kingpost.monitoring import MonitorStatus
from tests.review_house import ReviewHouse, run_review
from tests.tiny_app import BUNDLE, fraud


def drifted(column: str) -> MonitorStatus:
    return MonitorStatus(
        tenant="acme",
        decision="fraud",
        bundle=BUNDLE.hex(),
        monitor="drift",
        column=column,
        window="hour",
        value=2.0,
        limit=0.5,
        rows=100,
        breached=True,
        at_us=1,
        detail="",
    )


def test_features_are_listed_with_their_lineage() -> None:
    async def scene(house: ReviewHouse) -> None:
        found = (await house.get("/v1/features")).json()["features"]

        assert [one["name"] for one in found] == list(fraud.features.names)
        mean = next(one for one in found if one["name"] == "card_mean_7d")
        assert mean["summary"] == "mean of payment.amount over 7d by card"
        assert (mean["key"], mean["window"], mean["aggregate"]) == (["card"], "7d", "mean")
        assert mean["reads"] == ["payment.card", "payment.amount"]
        assert (mean["feeds"], mean["decisions"]) == (["share"], ["fraud"])
        assert mean["declared_at"].startswith("tiny_app.py:")

    run_review(scene)


def test_features_are_searched() -> None:
    async def scene(house: ReviewHouse) -> None:
        for query, expected in (
            ("kind=function", ["share"]),
            ("stream=chargeback", ["shop_rate_7d"]),
            ("text=card+mean", ["card_mean_1d", "card_mean_7d"]),
            ("decision=another", []),
        ):
            found = (await house.get(f"/v1/features?{query}")).json()["features"]
            assert [one["name"] for one in found] == expected

    run_review(scene)


def test_a_feature_is_read_with_its_versions_and_statistics() -> None:
    async def scene(house: ReviewHouse) -> None:
        record_features(house.control, fraud)
        house.monitors.save_statuses("acme", "fraud", BUNDLE.hex(), [drifted("share")])

        one = (await house.get("/v1/features/share")).json()

        assert [version["declared"] for version in one["versions"]] == [True]
        assert one["versions"][0]["first_bundled"].startswith("2018-08-01T12:00:00")
        assert "def share" in one["versions"][0]["definition"]["function"]
        assert one["statistics"][0]["reference"] is None  # it was trained without one
        listed = (await house.get("/v1/features?kind=function")).json()["features"]
        assert listed[0]["drift"] == {"fraud": "beyond"}

    run_review(scene)


def test_what_the_monitors_of_another_tenant_say_is_not_shown() -> None:
    async def scene(house: ReviewHouse) -> None:
        house.monitors.save_statuses("acme", "fraud", BUNDLE.hex(), [drifted("share")])
        key = house.key("eve", "records", tenant="other")

        found = (await house.get("/v1/features?kind=function", key)).json()["features"]

        assert found[0]["drift"] == {}

    run_review(scene)


def test_only_who_may_read_records_may_read_features() -> None:
    async def scene(house: ReviewHouse) -> None:
        for path in ("/v1/features", "/v1/features/share"):
            assert (await house.get(path, {})).status_code == 401
            refused = await house.get(path, house.bob)
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")

    run_review(scene)


def test_what_is_not_there_or_not_understood_is_refused() -> None:
    async def scene(house: ReviewHouse) -> None:
        unknown = await house.get("/v1/features/nothing")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "feature_not_found")
        for query in ("colour=red", "kind=table", "text=a&text=b"):
            refused = await house.get(f"/v1/features?{query}")
            assert (refused.status_code, refused.json()["code"]) == (422, "bad_parameter")

    run_review(scene)


def test_a_server_without_a_catalogue_says_so() -> None:
    async def scene(house: ReviewHouse) -> None:
        assert (await house.get("/v1/features")).json()["code"] == "not_configured"

    run_review(scene, ReviewHouse(has_sources=False))


def test_the_catalogue_is_described() -> None:
    async def scene(house: ReviewHouse) -> None:
        paths = (await house.get("/openapi.json", {})).json()["paths"]

        parameters = {one["name"] for one in paths["/v1/features"]["get"]["parameters"]}
        assert parameters == {"text", "kind", "stream", "owner", "tag", "decision"}
        [name] = paths["/v1/features/{name}"]["get"]["parameters"]
        assert (name["name"], name["in"], name["required"]) == ("name", "path", True)

    run_review(scene)
