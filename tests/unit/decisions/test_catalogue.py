"""Lineage and history: joined from declarations, bundles, approvals and model versions."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest

import kingpost as kp
from kingpost.decisions import (
    Catalogue,
    Decision,
    FeatureStatistics,
    TrainedWith,
    drift_states,
    feature_statistics,
    read_catalogue,
    record_features,
)
from kingpost.features import Feature, FeatureSet
from kingpost.monitoring import MemoryMonitors, MonitorStatus, Profile
from kingpost.records import MemoryRecords
from kingpost.registry import (
    ControlLog,
    DataVersion,
    Environment,
    ModelArtefacts,
    ModelDraft,
)
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock
from tests.tiny_app import fraud, payments, risk, share
from tests.watched import BUNDLE, START_US, observations, watch_over
from tests.watched import payments as watched_payments
from tests.watched import profile as build_reference

NOON = 1_533_124_800_000_000


def declared(*features: Feature, name: str = "fraud") -> Decision:
    found = FeatureSet(fraud.request, features, fraud.place)
    return replace(fraud, name=name, features=found)


def spend_with(default: float) -> Feature:
    return (
        payments.by("card")
        .over("1d", "7d")
        .features(count=kp.count(), mean=kp.mean("amount", default=default))
    )


OLD = declared(kp.field("amount"), spend_with(1.0), risk, share)
NOW = declared(kp.field("amount"), spend_with(0.0), share)


class House:
    """A control log, with what training writes to it."""

    def __init__(self) -> None:
        self.clock = StoppedClock(NOON)
        self.control = ControlLog(Path("/control"), disk=SimulatedDisk(), clock=self.clock)

    def train(self, decision: Decision) -> None:
        record_features(self.control, decision)
        self.control.register_model(
            ModelDraft(
                name=decision.model.name,
                artefacts=ModelArtefacts(onnx="1" * 64, native="", card="3" * 64),
                data=DataVersion(
                    position="data:1", tenant="acme", known_until_us=None, rows=1, digest="d" * 64
                ),
                features=decision.features.digest,
                code="e" * 64,
                environment=Environment(python="3.11", platform="linux", packages={}),
                seed=1,
                threshold=0.5,
                parameters={},
                metrics={},
                by="ada",
            )
        )
        self.clock.time_us += 1_000_000

    def catalogue(self, *decisions: Decision) -> Catalogue:
        return read_catalogue({one.name: one for one in decisions}, self.control)


def names_of(catalogue: Catalogue, **asked: str) -> Sequence[str]:
    return [one.entry.name for one in catalogue.find(**asked)]


def test_a_feature_that_was_never_bundled_has_one_version_and_no_model() -> None:
    one = House().catalogue(NOW).features["card_mean_7d"]

    assert [(version.is_declared, version.first_bundled_us) for version in one.versions] == [
        (True, None)
    ]
    assert one.declared[0].decisions == ("fraud",)
    assert one.declared[0].models == ()


def test_a_changed_definition_is_a_new_version_and_the_old_one_stays_with_its_models() -> None:
    house = House()
    house.train(OLD)
    house.train(NOW)

    one = house.catalogue(NOW).features["card_mean_7d"]

    new, old = one.versions
    assert new.version != old.version
    assert (new.is_declared, old.is_declared) == (True, False)
    assert (old.first_bundled_us, new.first_bundled_us) == (NOON, NOON + 1_000_000)
    assert old.models == (TrainedWith("fraud", 1, ()),)
    assert new.models == (TrainedWith("fraud", 2, ()),)
    assert one.declared[0].earlier == 1
    assert old.definition["aggregates"] != new.definition["aggregates"]


def test_what_did_not_change_keeps_its_version_through_both_models() -> None:
    house = House()
    house.train(OLD)
    house.train(NOW)

    one = house.catalogue(NOW).features["card_count_7d"]

    assert [version.first_bundled_us for version in one.versions] == [NOON]
    assert [model.number for model in one.declared[0].models] == [1, 2]


def test_a_feature_that_is_declared_no_longer_is_history() -> None:
    house = House()
    house.train(OLD)

    catalogue = house.catalogue(NOW)

    gone = catalogue.features["shop_rate_7d"]
    assert gone.declared == ()
    assert [one.is_declared for one in gone.versions] == [False]
    assert "shop_rate_7d" not in names_of(catalogue)


def test_decisions_share_a_version_or_differ_in_it() -> None:
    same, other = replace(NOW, name="second"), replace(OLD, name="third")

    one = House().catalogue(NOW, same, other).features["card_mean_7d"]

    assert [feature.decisions for feature in one.declared] == [("fraud", "second"), ("third",)]


def test_bundling_the_same_features_again_writes_nothing() -> None:
    house = House()
    first = record_features(house.control, NOW)
    house.clock.time_us += 5

    assert record_features(house.control, NOW) == first
    assert len(house.control.features("fraud")) == 1


def test_features_are_found_by_all_that_is_said_of_them() -> None:
    owned = kp.described(risk, owner="shops", description="How often a shop is told off")
    catalogue = House().catalogue(
        declared(kp.described(kp.field("amount"), tags=["money"]), spend_with(0.0), owned, share)
    )

    assert names_of(catalogue, owner="shops") == ["shop_rate_7d"]
    assert names_of(catalogue, text="TOLD off") == ["shop_rate_7d"]
    assert names_of(catalogue, text="told nothing") == []
    assert names_of(catalogue, tag="money") == ["amount"]
    assert names_of(catalogue, kind="function") == ["share"]
    assert names_of(catalogue, stream="chargeback") == ["shop_rate_7d"]
    assert names_of(catalogue, text="card mean", decision="fraud") == [
        "card_mean_1d",
        "card_mean_7d",
    ]
    assert names_of(catalogue, decision="another") == []


@pytest.fixture(scope="module")
def reference() -> Profile:
    return build_reference()


def statistics(
    name: str, profile: Profile | None, monitors: MemoryMonitors, bundle: bytes = BUNDLE
) -> FeatureStatistics:
    return feature_statistics(
        name,
        "fraud",
        bundle,
        profile,
        tenant="acme",
        monitors=monitors,
        records=MemoryRecords(),
        now_us=START_US,
    )


def test_the_reference_says_how_a_feature_was_in_training(reference: Profile) -> None:
    found = statistics("age", reference, MemoryMonitors())

    assert found.reference is not None
    assert found.reference.rows == reference.rows
    assert found.reference.missing_share == pytest.approx(0.01, abs=0.005)
    assert found.reference.mean == pytest.approx(40, abs=0.5)
    assert found.reference.median == pytest.approx(40, abs=2)
    assert (found.live, found.last_event_us, found.state) == (None, None, "not_judged")


def test_without_a_reference_nothing_is_made_up(reference: Profile) -> None:
    for name, profile in (("age", None), ("nothing", reference)):
        found = statistics(name, profile, MemoryMonitors())

        assert (found.reference, found.live, found.psi) == (None, None, None)


def test_what_the_monitors_say_is_said_of_their_bundle_alone(reference: Profile) -> None:
    monitors = MemoryMonitors()
    rows = watched_payments(START_US, 2)
    rows.x[rows.since(START_US + 36 * 3_600_000_000), 0] *= 100
    watch = watch_over(monitors, reference)
    watch.observe("acme", "fraud", BUNDLE, observations(rows))
    watch.flush()

    found = statistics("amount", reference, monitors)

    assert found.state == "beyond"
    assert found.psi is not None
    assert found.limit is not None
    assert found.psi > found.limit
    assert statistics("amount", reference, monitors, b"o" * 32).state == "not_judged"
    states = drift_states(BUNDLE, monitors.statuses("acme", "fraud"))
    assert states["amount"] == "beyond"
    assert drift_states(b"o" * 32, monitors.statuses("acme", "fraud")) == {}


def status(column: str, window: str, *, breached: bool) -> MonitorStatus:
    return MonitorStatus(
        tenant="acme",
        decision="fraud",
        bundle=BUNDLE.hex(),
        monitor="drift",
        column=column,
        window=window,
        value=0.1,
        limit=0.5,
        rows=100,
        breached=breached,
        at_us=1,
        detail="",
    )


def test_a_feature_beyond_its_limit_in_one_window_is_beyond_it() -> None:
    windows = [
        status("a", "fast", breached=True),
        status("a", "hour", breached=False),
        status("b", "hour", breached=False),
    ]

    assert drift_states(BUNDLE, windows) == {"a": "beyond", "b": "within"}


def test_a_number_of_a_vector_is_found_as_the_vector() -> None:
    class Taste(kp.Event):
        id: kp.Key[str]
        at: kp.EventTime
        card: str
        taste: Annotated[kp.Vector, kp.Dimension(3)]

    decision = declared(kp.stream(Taste).by("card").latest("taste"))
    catalogue = read_catalogue({"fraud": decision}, House().control)

    assert list(catalogue.features) == ["card_taste"]
    assert catalogue.named("card_taste_2") is catalogue.named("card_taste") is not None
    assert catalogue.named("card_taste_3") is None
    assert catalogue.named("card_taste_x") is None
