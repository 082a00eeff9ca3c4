"""A run stage by stage, without a worker: what each looks for, what ends it, and what it leaves."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import batch_of
from kingpost.core import SystemDisk
from kingpost.decisions import (
    Application,
    DataDirectory,
    EvidenceFiles,
    Releases,
    Retraining,
    RetrainingEnded,
    RetrainingGoesOn,
    RetrainingHouse,
    RetrainingStages,
    SeenSoFar,
    UnknownRetraining,
    WrongDecision,
    ask_for_run,
    find_run,
    load_application,
    open_run,
    run_due,
    run_of_incident,
    running_bundle,
    stop_run,
    train_decision,
)
from kingpost.integrations import Intake
from kingpost.monitoring import Incident
from kingpost.registry import (
    STAGES,
    ControlLog,
    Evidence,
    RetrainingEvent,
    RetrainingRun,
    RetrainingStage,
)
from kingpost.workflows import Answer
from tests.tiny_app import FakeClock
from tests.unit.monitoring.test_stores import INCIDENT
from tests.workflow_house import Desk

DAY_US = 86_400_000_000
START_US = 1_530_403_200_000_000
ROWS = 600
SOURCE = """
import kingpost as kp
from kingpost.decisions import TrainingPlan
from tests.onnx_models import fitted, logistic_onnx

WEIGHT = [0.01]


class Visit(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    pages: float


class Sale(kp.Event):
    visit: kp.Key[int]
    at: kp.EventTime
    known_at: kp.KnownTime
    sold: bool


visits, sales = kp.stream(Visit), kp.stream(Sale)


def train(data):
    return fitted(data, logistic_onnx([WEIGHT[0]], -1.0))


sells = kp.decision(
    "sells",
    request=Visit,
    features=[kp.field("pages")],
    model=kp.model("sells", trainer=train, label=sales.label("sold")),
)
anew = kp.retraining(
    sells,
    on=["drift"],
    every="30d",
    min_labels=100,
    judged_on="2d",
    labels_within="10d",
    shadow=5,
    canary=(50, 100),
    stage_time="0s",
    stage_requests=5,
)
"""


class House:
    """An application with a history and a champion, and a run that is looked at by hand."""

    def __init__(self, directory: Path, module: str) -> None:
        (directory / f"{module}.py").write_text(SOURCE)
        self.clock, self.disk, self.desk = FakeClock(), SystemDisk(), Desk()
        self.application: Application = load_application(directory / f"{module}.py")
        self.where = DataDirectory(directory / "data")
        self.declared = cast("Retraining", self.application.names["anew"])
        self.ingest(0, 20)
        self.weight(0.01)
        self.first = self.train()
        self.control.approve("sells", self.first, by="ann", reason="a test")

    @property
    def control(self) -> ControlLog:
        return self.where.control_log(disk=self.disk, clock=self.clock)

    @property
    def stages(self) -> RetrainingStages:
        house = RetrainingHouse(self.application, self.where, self.desk, self.disk, self.clock)
        return RetrainingStages(house, self.declared)

    def weight(self, weight: float) -> None:
        """Say what the trainer makes: the higher the pages the surer, if it is positive."""
        cast("list[float]", self.application.names["WEIGHT"])[0] = weight

    def ingest(self, first_day: int, days: int) -> None:
        """Take visits of some days; the more pages the likelier a sale, known a day later."""
        names = cast("Mapping[str, Any]", self.application.names)
        at = START_US + first_day * DAY_US + np.arange(ROWS) * (days * DAY_US // ROWS)
        rng = np.random.default_rng(first_day)
        pages = np.round(rng.gamma(2, 3, ROWS), 2)
        sold = rng.random(ROWS) < pages / 20
        keys = (np.arange(ROWS) + first_day * 10_000).tolist()
        visits = [
            names["Visit"](id=key, at=kp.Instant(int(us)), pages=float(many))
            for key, us, many in zip(keys, at.tolist(), pages.tolist(), strict=True)
        ]
        sales = [
            names["Sale"](
                visit=key, at=kp.Instant(us), known_at=kp.Instant(us + DAY_US), sold=bool(one)
            )
            for key, us, one in zip(keys, at.tolist(), sold.tolist(), strict=True)
        ]
        streams = [names["visits"].contract, names["sales"].contract]
        with Intake.open(self.where.data, streams, disk=self.disk, clock=self.clock) as intake:
            for contract, events in zip(streams, (visits, sales), strict=True):
                intake.accept_batch("default", contract, batch_of(contract, events))

    def train(self) -> str:
        trained = train_decision(
            self.application, self.declared.decision, self.where, self.declared.plan,
            tenant="default", by="ann", disk=self.disk, clock=self.clock,
        )  # fmt: skip
        return trained.bundle.digest

    def ask(self) -> str:
        return ask_for_run(
            self.declared, self.control, tenant="default", by="bo", reason="a test",
            clock=self.clock,
        ).run  # fmt: skip

    def look(self, run: str, upto: RetrainingStage) -> RetrainingEvent | None:
        """Look at the stages up to one; return what that came to."""
        found: RetrainingEvent | None = None
        for stage in STAGES[: STAGES.index(upto) + 1]:
            found = self.stages.look(run, stage)
        return found

    def run(self, run: str) -> RetrainingRun:
        return find_run(self.control, "sells", run)

    def end_shadow(self, run: str) -> None:
        """Let the shadow have decided enough."""
        live = self.control.releases("sells").live
        assert live is not None
        files = EvidenceFiles(self.where.evidence, "server", disk=self.disk)
        files.write(live.id, SeenSoFar(requests={0: 9}))
        assert self.look(run, "shadow") is not None


counter = iter(range(100))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    module = f"sells_{next(counter)}_app"
    yield House(tmp_path, module)
    sys.path.remove(str(tmp_path))
    sys.modules.pop(module)
    importlib.invalidate_caches()


def test_a_run_goes_from_a_look_at_the_champion_to_a_new_one(house: House) -> None:
    house.weight(-0.01)  # the first model was right; make the champion a wrong one
    house.first = house.train()
    house.control.approve("sells", house.first, by="ann", reason="a test")
    house.weight(0.01)
    run = house.ask()

    assert house.look(run, "shadow") is None, "it waits for requests"
    house.end_shadow(run)
    assert house.look(run, "canary") is None
    Releases(house.control, clock=house.clock).promote("sells", by="kingpost", reason="no worse")
    ended = house.look(run, "champion")

    assert ended is not None
    assert (ended.stage, ended.step) == ("champion", "done")
    found = house.run(run)
    assert found.state == "released"
    assert house.control.releases("sells").champion == found.bundle != house.first
    gates = found.noted("gates", "done")
    assert gates is not None
    assert gates.numbers["average_precision"] > gates.numbers["champion_average_precision"]
    assert [one.stage for one in found.events if one.step == "done"] == list(STAGES)


def test_a_model_that_is_no_better_is_refused_by_the_gates_and_the_champion_stays(
    house: House,
) -> None:
    house.weight(-0.01)
    run = house.ask()

    ended = house.look(run, "champion")

    assert ended is not None
    assert (ended.stage, ended.step) == ("gates", "refused")
    assert "the champion's" in ended.reason
    assert house.run(run).state == "refused"
    assert running_bundle(house.control, "sells").digest == house.first


def better(house: House) -> str:
    """Make the champion a bad one, and begin a run that will find a better one."""
    house.weight(-0.01)
    house.first = house.train()
    house.control.approve("sells", house.first, by="ann", reason="a test")
    house.weight(0.01)
    return house.ask()


def test_what_a_run_was_interrupted_in_is_found_and_not_done_again(house: House) -> None:
    run = better(house)
    house.look(run, "approve")
    events = house.run(run).events

    # as after a crash between the doing and the noting of it
    for stage in ("retrain", "approve"):
        again = house.stages
        looks = cast("Mapping[str, Callable[[RetrainingRun], Any]]", vars(again)["_looks"])
        assert looks[stage](house.run(run)).step == "done"
    assert house.look(run, "approve") == house.run(run).noted("approve", "done")

    assert house.run(run).events == events
    assert len(house.control.models("sells")) == 3
    assert len(house.control.bundles("sells")) == 3
    assert len(house.control.approvals("sells")) == 3


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_a_run_is_stopped_at_any_stage_with_the_champion_as_it_was(
    house: House, stage: RetrainingStage
) -> None:
    run = better(house)
    at = STAGES.index(stage)
    if at:
        house.look(run, STAGES[at - 1])
    if stage == "canary":
        house.end_shadow(run)
        assert house.look(run, "canary") is None

    stop_run(house.control, "sells", run, by="cy", reason="not now", clock=house.clock)
    assert house.control.releases("sells").live is None
    ended = house.look(run, "champion")

    assert ended is not None
    assert (ended.stage, ended.step, ended.reason) == (stage, "stopped", "cy: not now")
    assert house.run(run).state == "stopped"
    assert running_bundle(house.control, "sells").digest == house.first
    with pytest.raises(RetrainingEnded, match="stopped"):
        stop_run(house.control, "sells", run, by="cy", reason="again", clock=house.clock)


def test_a_run_waits_for_labels_and_gives_up_in_time(house: House) -> None:
    house.declared = replace(house.declared, min_labels=10_000)
    run = house.ask()

    assert house.look(run, "labels") is None
    house.clock.advance(11 * 86_400)
    ended = house.look(run, "labels")

    assert ended is not None
    assert ended.step == "refused"
    assert "10,000 were to be there within 10d" in ended.reason


def test_a_person_is_asked_and_their_answer_counts(house: House) -> None:
    house.declared = replace(house.declared, approval=kp.review("leads", within="2d"))
    run = better(house)

    assert house.look(run, "approve") is None
    ((task, question),) = house.desk.asked.items()
    assert (question.queue, question.about["bundle"]) == ("leads", house.run(run).bundle)
    house.desk.said[task] = Answer("approved", "dee", "looks right")
    found = house.look(run, "approve")

    assert found is not None
    assert found.reason == "approved by dee"
    last = house.control.approvals("sells")[-1]
    assert (last.by, last.bundle) == ("dee", house.run(run).bundle)
    assert running_bundle(house.control, "sells").digest == house.first, "until it is released"


def test_a_person_can_say_no_and_silence_ends_the_run_in_time(house: House) -> None:
    house.declared = replace(house.declared, approval=kp.review("leads", within="2d"))
    run = better(house)
    assert house.look(run, "approve") is None
    (task,) = house.desk.asked
    house.desk.said[task] = Answer("rejected", "dee", "too early")
    ended = house.look(run, "approve")
    assert ended is not None
    assert (ended.step, ended.reason) == ("refused", "dee rejected it: too early")

    again = house.ask()
    assert house.look(again, "approve") is None
    house.clock.advance(3 * 86_400)
    late = house.look(again, "approve")
    assert late is not None
    assert (late.step, late.reason) == ("refused", "nobody approved it within 2d")


def test_a_release_that_was_rolled_back_ends_the_run_with_its_evidence(house: House) -> None:
    run = better(house)
    house.look(run, "shadow")
    house.end_shadow(run)
    house.look(run, "canary")
    live = house.control.releases("sells").live
    assert live is not None
    evidence = Evidence(
        measure="business", margin=0.01, requests=300, rate=0.4, champion_requests=290,
        champion_rate=0.1, e_value=900, needed=500,
    )  # fmt: skip
    reason = "worse than the champion: business 0.4"
    Releases(house.control, clock=house.clock).end("sells", live, reason, [evidence])

    ended = house.look(run, "canary")

    assert ended is not None
    assert ended.step == "refused"
    assert ended.reason == f"it was rolled back by kingpost: {reason}"
    assert ended.numbers == {"business": 0.4, "champion_business": 0.1}
    assert house.control.releases("sells").champion == house.first


def test_an_error_of_the_trainer_ends_the_run_and_says_which(house: House) -> None:
    def broken(data: object) -> object:
        raise ValueError("no trees today")

    decision = house.declared.decision
    model = replace(decision.model, trainer=cast("Any", broken))
    house.declared = replace(house.declared, decision=replace(decision, model=model))
    run = house.ask()

    ended = house.look(run, "champion")

    assert ended is not None
    assert (ended.stage, ended.step) == ("retrain", "failed")
    assert ended.reason == "[ValueError] no trees today"


def incident(house: House, opened_us: int = 1) -> Incident:
    return replace(
        INCIDENT, id=f"incident-{opened_us}", tenant="default", decision="sells",
        bundle=house.first, breach_since_us=opened_us,
    )  # fmt: skip


def test_of_an_incident_there_is_one_run_and_of_a_decision_one_at_a_time(house: House) -> None:
    control, clock = house.control, house.clock
    first = run_of_incident(house.declared, incident(house), control, clock=clock)
    assert first is not None
    assert first.incident == "incident-1"

    assert run_of_incident(house.declared, incident(house), control, clock=clock) is None
    assert run_of_incident(house.declared, incident(house, 2), control, clock=clock) is None
    with pytest.raises(RetrainingGoesOn, match=first.run):
        house.ask()

    stop_run(control, "sells", first.run, by="cy", reason="no", clock=clock)
    house.look(first.run, "evaluate")
    assert open_run(control, "sells") is None
    assert run_of_incident(house.declared, incident(house), control, clock=clock) is None
    assert run_of_incident(house.declared, incident(house, 2), control, clock=clock) is not None


def test_an_incident_of_another_bundle_than_runs_now_needs_nothing(house: House) -> None:
    of_then = replace(incident(house), bundle="ab" * 32)
    run = run_of_incident(house.declared, of_then, house.control, clock=house.clock)
    assert run is not None

    ended = house.look(run.run, "champion")

    assert ended is not None
    assert (ended.stage, ended.step) == ("evaluate", "not_needed")


def test_a_schedule_looks_at_the_champion_first_and_trains_only_when_it_is_worse(
    house: House,
) -> None:
    running = running_bundle(house.control, "sells")
    made_us = house.control.models("sells")[-1].registered_at_us

    def due() -> RetrainingEvent | None:
        return run_due(
            house.declared, running, made_us, house.control, tenant="default", clock=house.clock
        )

    assert due() is None
    house.clock.advance(30 * 86_400)
    run = due()
    assert run is not None
    assert due() is None, "it goes on"

    ended = house.look(run.run, "champion")
    assert ended is not None
    assert (ended.stage, ended.step) == ("evaluate", "not_needed")
    assert "average precision" in ended.reason
    house.clock.advance(29 * 86_400)
    assert due() is None
    house.clock.advance(86_400)
    assert due() is not None


def test_a_run_that_nobody_began_is_unknown(house: House) -> None:
    with pytest.raises(UnknownRetraining, match="knows none"):
        find_run(house.control, "sells", "sells-0")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"on": ["alarm"]}, "is about a model"),
    ({"on": []}, "nothing starts it"),
    ({"worse_by": 1.0}, "worse_by is 1.0"),
    ({"min_labels": 0}, "too small"),
    ({"assign_by": "nobody"}, "no field of the request"),
    ({"learn_from": "today"}, "learn_from"),
    ({"judged_on": "soon"}, "soon"),
    ({"every": "0s"}, "is nothing"),
    ({"canary": (10, 50)}, "ends at 50%"),
    ({"canary": (50, 10, 100)}, "stages of a canary grow"),
    ({"canary": ()}, "a part of the requests"),
    ({"margins": {"errors": 2.0}}, "margin"),
    ({"approval": kp.refuse()}, "approval is refused"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_a_declaration_that_makes_no_sense_is_refused_where_it_stands(
    house: House, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(WrongDecision, match=said) as refused:
        kp.retraining(house.declared.decision, **given)

    assert Path(__file__).name in str(refused.value)


def test_a_model_that_is_not_trained_cannot_be_trained_anew(house: House) -> None:
    decision = house.declared.decision
    function = replace(decision, model=replace(decision.model, trainer=None))

    with pytest.raises(WrongDecision, match="is not trained"):
        kp.retraining(function)
