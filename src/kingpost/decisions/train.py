"""`kingpost train`: from the journal to a registered model and a bundle to approve.

The rule: a model version says what it was made of: how far the journal was read, the rows,
the features, the code, the environment, the seed and the parameters. The same inputs give
the same artefacts, digest for digest. Nothing that was trained may run before it is
approved.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from kingpost.contracts import Contract, Event, check_evolution, microseconds
from kingpost.core import Clock, Disk
from kingpost.decisions.application import Application
from kingpost.decisions.bundle import Bundle
from kingpost.decisions.champion_scores import Source
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.environment import present_environment
from kingpost.decisions.gating import Judging, note_gates
from kingpost.decisions.joined import JoinedHistories
from kingpost.decisions.registering import add_bundle, made_with
from kingpost.decisions.sources import code_digest
from kingpost.decisions.subjects import opened_subjects
from kingpost.decisions.training import Learned, TrainingPlan, learn
from kingpost.features import Erasure, Histories, History
from kingpost.journal import Position, Scan
from kingpost.models import OnnxScorer, OutOfTimeSplit, Progress, quiet
from kingpost.monitoring import encode_profile
from kingpost.registry import (
    BundleEvaluation,
    DataVersion,
    ModelArtefacts,
    ModelDraft,
    ModelVersion,
    TrainingRecipe,
)

__all__ = ["TenantHistories", "Trained", "read_all_histories", "read_histories", "train_decision"]


class Trained(NamedTuple):
    """What training gave: a bundle that waits for its approval.

    Attributes:
        evaluation: What came of its evaluation gates; None where none are declared.
    """

    version: ModelVersion
    bundle: Bundle
    learned: Learned
    evaluation: BundleEvaluation | None = None


class TenantHistories(Protocol):
    """Events of some streams by tenant."""

    def of(self, tenant: str) -> Mapping[str, History]:
        """Return a tenant's history per stream; empty where it has no events."""
        ...

    def erasures(self, tenant: str) -> Sequence[Erasure]:
        """Return the entities of a tenant that were erased."""
        ...


def read_histories(
    directory: Path,
    contracts: Iterable[Contract[Event]],
    *,
    disk: Disk,
    stop: int | None = None,
) -> tuple[Histories, Position]:
    """Read all events of some streams, and how far the journal was read.

    Args:
        stop: Read the commits before this offset, and of later ones what was erased since;
            all by default.

    Raises:
        IncompatibleContract: Stored events do not fit the contracts declared now.
        JournalCorrupt, JournalNewer: See `scan`.
    """
    declared = {contract.name: contract for contract in contracts}
    histories = Histories(declared.values())
    scan = Scan(directory, disk=disk)
    try:
        for commit in scan.commits():
            if stop is not None and commit.offset >= stop:
                histories.add_erasures(commit)
                continue
            for entry in commit.entries:
                if entry.kind == "contract" and entry.topic in declared:
                    check_evolution(entry.body, declared[entry.topic])
            histories.add(commit)
        reached = scan.offset if stop is None else min(stop, scan.offset)
        return histories, Position.of({directory.name: reached})
    finally:
        scan.close()


def read_all_histories(
    where: DataDirectory,
    contracts: Sequence[Contract[Event]],
    *,
    disk: Disk,
    until: Position | None = None,
) -> tuple[TenantHistories, Position]:
    """Read the same of every partition of an installation.

    Args:
        until: How far to read; all by default. A partition that it says nothing of is left
            out, but for what was erased.

    Raises:
        PartitionNotHere: The journal of one cannot be read here.
        KingpostError: See `read_histories`.
    """
    with opened_subjects(where, contracts):
        if not where.listed:
            stop = _stop(until, where.data.name)
            return read_histories(where.data, contracts, disk=disk, stop=stop)
        where.check_readable(disk=disk)
        parts: dict[str, Histories] = {}
        offsets: dict[str, int] = {}
        for name, directory in where.partitions.items():
            parts[name], position = read_histories(
                directory, contracts, disk=disk, stop=_stop(until, name)
            )
            offsets[name] = position.offset(name)
    return JoinedHistories(parts, contracts), Position.of(offsets)


def _stop(until: Position | None, partition: str) -> int | None:
    if until is None:
        return None
    return until.offset(partition) if partition in until.partitions else 0


def train_decision(
    application: Application,
    decision: Decision,
    where: DataDirectory,
    plan: TrainingPlan,
    *,
    tenant: str,
    by: str,
    disk: Disk,
    clock: Clock,
    progress: Progress = quiet,
) -> Trained:
    """Train a decision's model on a tenant's events, judge it, register and bundle it.

    Where the decision declares evaluation gates the bundle is judged by them, on the rows that
    were held out.

    Args:
        by: Who trains.
        progress: Told of the stages read, features, the trainer's own, evaluate, register,
            gates.

    Raises:
        NothingToLearn, OneClassOnly, BadTrainingSet, BadModel: See `learn`.
        BadGroups: See `judge_gates`.
        PartitionNotHere: The journal of a partition cannot be read here.
        IncompatibleContract: Stored events do not fit the contracts declared now.
        JournalInUse, JournalFull, JournalFailed: The control log could not be written.
    """
    progress("read", 0, 1)
    histories, position = read_all_histories(where, decision.streams, disk=disk)
    progress("read", 1, 1)
    code = code_digest(application.sources)
    environment = present_environment()
    learned = learn(
        decision,
        histories.of(tenant),
        plan,
        code=code,
        environment=made_with(environment),
        progress=progress,
    )
    progress("register", 0, 1)
    store = where.artefacts(disk=disk)
    control = where.control_log(disk=disk, clock=clock)
    model = learned.model
    version = control.register_model(
        ModelDraft(
            name=decision.model.name,
            artefacts=ModelArtefacts(
                onnx=store.put(model.onnx),
                native=store.put(model.native) if model.native else "",
                card=store.put(learned.card.encode()),
                card_html=store.put(learned.card_html.encode()),
                profile=store.put(encode_profile(learned.profile).encode()),
            ),
            data=DataVersion(
                position=str(position),
                tenant=tenant,
                known_until_us=plan.known_until_us,
                rows=learned.rows,
                digest=learned.data,
            ),
            features=decision.features.digest,
            code=code,
            environment=environment,
            seed=model.seed,
            threshold=learned.threshold,
            parameters=dict(model.parameters),
            metrics=learned.evaluation.metrics(),
            by=by,
            recipe=_recipe(plan, learned.split),
        )
    )
    bundle = add_bundle(application, decision, version, control, store)
    progress("register", 1, 1)
    if decision.evaluation is None:
        return Trained(version, bundle, learned)
    judging = Judging(
        bundle=bundle,
        version=version,
        scorer=OnnxScorer(model.onnx),
        data=learned.test,
        judged=learned.judged,
        source=Source(where, tenant, str(position), learned.split.test_us, plan.threads),
        learned_until_us=microseconds(learned.split.train_until),
        environment=made_with(environment),
    )
    noted = note_gates(decision, judging, control, store, by=by, clock=clock, progress=progress)
    return Trained(version, bundle, learned, noted)


def _recipe(plan: TrainingPlan, split: OutOfTimeSplit) -> TrainingRecipe:
    test_from, test_to = split.test_us
    costs = plan.costs
    return TrainingRecipe(
        train_from_us=None if split.train_from is None else microseconds(split.train_from),
        train_until_us=microseconds(split.train_until),
        test_from_us=test_from,
        test_to_us=test_to,
        entity=plan.entity or "",
        missed_cost=None if costs is None else costs.missed,
        false_alarm_cost=None if costs is None else costs.false_alarm,
    )
