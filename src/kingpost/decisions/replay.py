"""Replay: run a past decision again, from its id alone, and compare every bit.

The bundle that the record names is taken from the control log by its digest, its source
is unpacked into a directory of its own and imported by another process, so the code that
runs is the code that ran, whatever was deployed since. Everything is checked against a
digest on the way; what was altered is an error or a difference, never a quiet yes.

`verify_records` does the same for every record there is, one process per bundle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import msgspec
import numpy as np

from kingpost.core import SystemClock, SystemDisk, id_text
from kingpost.decisions.bundle import Bundle, read_bundle
from kingpost.decisions.comparison import Comparison, Difference, entry_at
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.environment import (
    EnvironmentDifference,
    decode_lock,
    environment_differences,
    present_environment,
)
from kingpost.decisions.errors import NotApproved, ReplayFailed
from kingpost.decisions.find import find_record
from kingpost.decisions.record_selection import RecordSelection
from kingpost.decisions.recorded_source import run_recorded, work_place
from kingpost.decisions.replay_job import Job
from kingpost.journal import scan
from kingpost.records import decode_record

__all__ = ["FeatureValue", "ReplayReport", "Verification", "replay_record", "verify_records"]

_SHOWN = 20
_WORKER = "kingpost.decisions.replay_worker"


class FeatureValue(msgspec.Struct, frozen=True):
    """A feature as recorded; None where it could not be computed."""

    name: str
    value: float | None


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of running one decision again.

    Attributes:
        is_equal: Every feature value, the answer, its confidence, outcome and reason have
            the same bits.
        is_failed: The request had failed in service (too late, or broken on the way), so
            there was no answer to compare.
        is_erased: Whom it is about was erased since, so it cannot be run again; it is not
            equal then.
        erased_fields: Personal fields of the request whose content was erased with its key.
        differences: What differs, part by part.
        environment: What differs between the environment of the bundle and this one.
    """

    record: str
    is_equal: bool
    is_failed: bool
    is_erased: bool
    erased_fields: tuple[str, ...]
    differences: tuple[Difference, ...]
    environment: tuple[EnvironmentDifference, ...]
    decision: str
    at_us: int
    tenant: str
    bundle: str
    model_name: str
    model_number: int
    features: tuple[FeatureValue, ...]
    answer: msgspec.Raw
    confidence: float
    outcome: str
    reason: str


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What came of recomputing every record.

    Attributes:
        records: Decision records that were to be compared.
        verified: How many came out with the same bits.
        failed: How many of these had failed in service, with no answer to compare.
        erased: How many are of an entity that was erased since; they are not compared.
        different: How many did not come out the same.
        reads: Feature values compared.
        reads_different: How many of them differ in a bit.
        differences: The first differences.
    """

    records: int
    verified: int
    failed: int
    erased: int
    different: int
    reads: int
    reads_different: int
    differences: tuple[Difference, ...]
    environment: tuple[EnvironmentDifference, ...]


@dataclass
class _Group:
    """The records of one bundle, and the offset after the last of them."""

    decision: str
    bundle: str
    records: int
    stop: int


def replay_record(
    identifier: str, where: DataDirectory, *, tenant: str | None = None
) -> ReplayReport:
    """Run the decision of a record again and compare.

    Args:
        identifier: The record's id, as it came with the answer.
        tenant: Whose record it must be; None lets an operator replay any.

    Raises:
        RecordNotFound: There is no such record, or it is another tenant's.
        UnknownBundle: The record names a bundle that is not in the control log.
        NotApproved: It names one that nobody approved.
        ArtefactMissing, ArtefactCorrupt: The source, the model or the lock was altered.
        JournalCorrupt: Events or records were altered.
        ReplayFailed: The recorded source does not run, or is not what the bundle says.
    """
    record, stop = find_record(identifier, where, tenant=tenant)
    bundle = _bundle(where, record.decision, record.bundle.hex())
    comparison = _run(where, bundle, stop, only=record.id)
    if comparison.records != 1:
        raise ReplayFailed(bundle.decision, bundle.digest, "its record was not found again")
    values: list[float] = np.frombuffer(record.features, "<f8").tolist()
    return ReplayReport(
        record=id_text(record.id),
        is_equal=not (comparison.different or comparison.erased),
        is_failed=bool(comparison.failed),
        is_erased=bool(comparison.erased),
        erased_fields=tuple(comparison.erased_fields),
        differences=tuple(comparison.shown),
        environment=_environment(where, bundle),
        decision=record.decision,
        at_us=record.at_us,
        tenant=record.tenant,
        bundle=bundle.digest,
        model_name=bundle.model_name,
        model_number=bundle.model_number,
        features=tuple(
            FeatureValue(name, None if isnan(value) else value)
            for name, value in zip(bundle.feature_names, values, strict=False)
        ),
        answer=msgspec.Raw(record.answer),
        confidence=record.confidence,
        outcome=record.outcome.value,
        reason=record.reason,
    )


def verify_records(
    where: DataDirectory,
    *,
    selection: RecordSelection | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Decide recorded requests again, each by its own bundle, and count what differs.

    Args:
        selection: Which of them; all when None.
        on_progress: Told (records compared, records in all) after each bundle.

    Raises:
        UnknownBundle, NotApproved, ArtefactMissing, ArtefactCorrupt, JournalCorrupt,
        ReplayFailed: As in `replay_record`.
    """
    groups = _groups(where, selection)
    total = sum(group.records for group in groups)
    all_found = Comparison()
    environment: dict[str, EnvironmentDifference] = {}
    for group in groups:
        bundle = _bundle(where, group.decision, group.bundle)
        found = _run(where, bundle, group.stop, selection=selection)
        if found.records != group.records:
            raise ReplayFailed(
                bundle.decision,
                bundle.digest,
                f"{found.records} of its {group.records} records were found again",
            )
        _add(all_found, found)
        environment |= {one.name: one for one in _environment(where, bundle)}
        if on_progress is not None:
            on_progress(all_found.records, total)
    return Verification(
        records=total,
        verified=all_found.records - all_found.different - all_found.erased,
        failed=all_found.failed,
        erased=all_found.erased,
        different=all_found.different,
        reads=all_found.reads,
        reads_different=all_found.reads_different,
        differences=tuple(all_found.shown[:_SHOWN]),
        environment=tuple(environment.values()),
    )


def _add(whole: Comparison, part: Comparison) -> None:
    whole.records += part.records
    whole.failed += part.failed
    whole.erased += part.erased
    whole.different += part.different
    whole.reads += part.reads
    whole.reads_different += part.reads_different
    whole.shown += part.shown


def _groups(where: DataDirectory, selection: RecordSelection | None) -> Sequence[_Group]:
    groups: dict[tuple[str, bytes], _Group] = {}
    for commit in scan(where.data, disk=SystemDisk()):
        for entry in commit.entries:
            if entry.kind == "record":
                record = decode_record(entry.body)
                asked = entry_at(commit, record.event_offset)
                if selection is not None and not selection.takes(record, asked):
                    continue
                group = groups.get((entry.topic, record.bundle))
                if group is None:
                    group = _Group(entry.topic, record.bundle.hex(), 0, 0)
                    groups[entry.topic, record.bundle] = group
                group.records += 1
                group.stop = commit.next_offset
    return list(groups.values())


def _bundle(where: DataDirectory, decision: str, digest: str) -> Bundle:
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    bundle = read_bundle(control.bundle(decision, digest))
    # whose approvals count may be another question today than when it was decided
    judged = control.judged_approvals(decision)
    if all(one.approval.bundle != bundle.digest for one in judged):
        raise NotApproved(decision, bundle.digest)
    return bundle


def _environment(where: DataDirectory, bundle: Bundle) -> tuple[EnvironmentDifference, ...]:
    lock = where.artefacts(disk=SystemDisk()).get(bundle.lock)
    return environment_differences(decode_lock(lock), present_environment())


def _run(
    where: DataDirectory,
    bundle: Bundle,
    stop: int,
    *,
    only: bytes | None = None,
    selection: RecordSelection | None = None,
) -> Comparison:
    """Compare records in a process that imports the bundle's own source."""

    def job(application: Path) -> Job:
        return Job(
            where=work_place(where),
            decision=bundle.decision,
            bundle=bundle.digest,
            application=str(application),
            only=None if only is None else only.hex(),
            selection=selection,
            stop=stop,
        )

    store = where.artefacts(disk=SystemDisk())
    return run_recorded(bundle, store, _WORKER, job, Comparison)
