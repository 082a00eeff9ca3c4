"""A batch from its beginning, or from where it was left, to its end.

    manifest.json           the plan
    part-00000.parquet      scored rows; a part that is there is whole
    refused-00000.parquet   rows that broke the contract
    summary.json            what came of it, when it has ended
    batch.lock              held by the one process that fills the directory

The rule: no score is written before the control log holds that this bundle scores these
inputs as of this position, for whom and by whom; when the last one is, the log holds a
digest over all that was written.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import duckdb
import msgspec

from kingpost.core import Clock, Disk, TimeOrderedIds, id_text
from kingpost.decisions.application import Application
from kingpost.decisions.batch.inputs import Unit, input_files, units_of
from kingpost.decisions.batch.load import load_bundle
from kingpost.decisions.batch.on_ray import ray_units
from kingpost.decisions.batch.part import PART, answer_column, part_name, write_part
from kingpost.decisions.batch.past import BatchPast, read_batch_past
from kingpost.decisions.batch.plan import BatchChanged, BatchInUse, BatchOfPartitions, BatchPlan
from kingpost.decisions.batch.processes import Task, process_units
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.loading import running_bundle
from kingpost.decisions.served import ServedDecision
from kingpost.decisions.whole_files import WholeFiles
from kingpost.integrations import Reading, UnreadableSource
from kingpost.journal import Position
from kingpost.registry import BatchRun

__all__ = ["BatchJob", "BatchScored", "score_batch"]

_MANIFEST, _SUMMARY, _LOCK = "manifest.json", "summary.json", "batch.lock"


@dataclass(frozen=True, kw_only=True)
class BatchJob:
    """What to score, and by whom.

    Attributes:
        inputs: Files, folders and patterns.
        bundle: The digest of an approved bundle, or the beginning of it; what runs without.
        rows_per_part: Rows of each part; part of the plan, as who scores it is not.
        processes: One scores in this process.
        threads: For the features, of each process.
        on_ray: Whether a Ray cluster scores, with so many workers as processes.
        ray_address: Of a cluster that runs; a local one is started without.
        by: Who scores; kept in the control log.
    """

    application: Application
    decision: Decision
    inputs: Sequence[str]
    reading: Reading
    tenant: str
    by: str
    rows_per_part: int
    bundle: str | None = None
    processes: int = 1
    threads: int = 1
    on_ray: bool = False
    ray_address: str | None = None


class BatchScored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch.

    Attributes:
        rows: Rows scored.
        refused: Rows that broke the contract.
        outcomes: How many rows have each.
        resumed: Parts that an earlier run had left.
        output: SHA-256 over the names and digests of all files of rows.
    """

    id: str
    decision: str
    bundle: str
    position: str
    files: int
    rows: int
    refused: int
    outcomes: Mapping[str, int]
    parts: int
    resumed: int
    output: str


def score_batch(
    job: BatchJob,
    where: DataDirectory,
    out: Path,
    *,
    disk: Disk,
    clock: Clock,
    on_progress: Callable[[int, float], None] = lambda rows, share: None,
) -> BatchScored:
    """Score files of requests into a directory of parts.

    What an earlier run left there is continued, by its bundle and as of the journal that it
    saw. No event and no decision record is written; see the rule above.

    Args:
        on_progress: Told how many rows are done, and what share of the input that is.

    Raises:
        NoModel, NotApproved, BundleMismatch: No approved bundle of the running code.
        UnreadableSource, SchemaMismatch, UnknownZone: The input cannot be read as requests.
        BatchChanged: The directory holds another batch, or somebody was erased since.
        BatchInUse: Another process fills it.
        BatchOfPartitions: The events lie in several partitions.
        BatchWorkerFailed: A worker ended early; what is there can be continued.
        ExtraMissing: Ray is asked for and not installed.
        KingpostError: The journal cannot be read, or the control log not written.
    """
    if where.listed:
        raise BatchOfPartitions
    files = WholeFiles(out, disk=disk)
    with ExitStack() as held:
        try:
            held.enter_context(files.claimed(_LOCK))
        except BlockingIOError as error:
            raise BatchInUse(out) from error
        batch = _Batch(job, where, files, disk, clock)
        plan, served, past = batch.planned()
        resumed = len(_parts(files))
        batch.score(plan, served, past, on_progress)
        return batch.finished(plan, resumed)


class _Batch:
    """A run of a batch, in a directory that it has claimed."""

    def __init__(
        self, job: BatchJob, where: DataDirectory, files: WholeFiles, disk: Disk, clock: Clock
    ) -> None:
        self._job, self._where, self._files = job, where, files
        self._disk, self._clock = disk, clock
        self._control = where.control_log(disk=disk, clock=clock)

    def planned(self) -> tuple[BatchPlan, ServedDecision, BatchPast]:
        """Go on with the plan that is there, or make one over the journal as it is now."""
        job, begun = self._job, self._begun()
        inputs = input_files(job.inputs)
        inside = self._files.path.resolve()
        for one in inputs:
            if inside in Path(one.name).resolve().parents:
                raise UnreadableSource(
                    one.name, "lies in the directory of --out", "name another directory"
                )
        wanted = job.bundle or (begun.bundle if begun else self._running())
        digest = self._control.bundle(job.decision.name, wanted).digest
        served = load_bundle(
            job.application, self._where, job.decision.name, digest, disk=self._disk
        )
        past, erasures = read_batch_past(
            self._where,
            job.decision,
            job.tenant,
            disk=self._disk,
            stop=None if begun is None else begun.stop,
        )
        asked = BatchPlan(
            id=id_text(TimeOrderedIds(self._clock).next()) if begun is None else begun.id,
            decision=job.decision.name,
            tenant=job.tenant,
            bundle=digest,
            version=metadata.version("kingpost"),
            stop=past.stop,
            erasures=erasures,
            inputs=inputs,
            mapping=job.reading.mapping,
            zone=job.reading.zone,
            ignore_extra=job.reading.ignore_extra,
            rows_per_part=job.rows_per_part,
        )
        if begun is None:
            self._control.note_batch(self._noted(asked))
            self._files.place_bytes(_MANIFEST, msgspec.json.format(msgspec.json.encode(asked)))
        else:
            begun.check_same(asked, self._files.path)
        return asked, served, past

    def score(
        self,
        plan: BatchPlan,
        served: ServedDecision,
        past: BatchPast,
        on_progress: Callable[[int, float], None],
    ) -> None:
        """Score the units whose parts are not there yet."""
        there, rows, share = set(_parts(self._files)), 0, 0.0

        def missing() -> Iterator[Unit]:
            nonlocal rows, share
            for unit, share in units_of(plan, self._job.decision.request):
                if part_name(unit.part) not in there:
                    yield unit
                else:
                    rows += unit.rows + len(unit.refused)
                    on_progress(rows, share)

        for done in self._scored(plan, served, past, missing()):
            rows += done
            on_progress(rows, share)

    def finished(self, plan: BatchPlan, resumed: int) -> BatchScored:
        """Note the end of a batch, and tell what came of it."""
        parts = _parts(self._files)
        refused = self._refused()
        outcomes = _outcomes(self._files.path, self._job.decision, parts)
        told = BatchScored(
            id=plan.id,
            decision=plan.decision,
            bundle=plan.bundle,
            position=self._position(plan),
            files=len(plan.inputs),
            rows=sum(outcomes.values()),
            refused=_rows_of(self._files.path, refused),
            outcomes=outcomes,
            parts=len(parts),
            resumed=resumed,
            output=_digest(self._files.path, sorted([*parts, *refused])),
        )
        self._control.note_batch(self._noted(plan, told))
        self._files.place_bytes(_SUMMARY, msgspec.json.format(msgspec.json.encode(told)))
        return told

    def _begun(self) -> BatchPlan | None:
        """Return the plan that was begun; None where no part of it is there yet."""
        path = self._files.path
        if not _parts(self._files):
            for name in self._refused():
                self._disk.remove(path / name)
            return None
        try:
            body = (path / _MANIFEST).read_bytes()
        except FileNotFoundError:
            raise BatchChanged(path, (f"there are parts and no {_MANIFEST}",)) from None
        try:
            return msgspec.json.decode(body, type=BatchPlan)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise BatchChanged(path, (f"{_MANIFEST}: {error}",)) from error

    def _refused(self) -> Sequence[str]:
        return [name for name in self._files.names() if name.startswith("refused-")]

    def _running(self) -> str:
        return running_bundle(self._control, self._job.decision.name).digest

    def _scored(
        self, plan: BatchPlan, served: ServedDecision, past: BatchPast, units: Iterator[Unit]
    ) -> Iterator[int]:
        """Score units; yield how many rows each had, once its files are there."""
        job = self._job
        if job.on_ray:
            onnx = self._where.artefacts(disk=self._disk).get(served.model.hex())
            for done in ray_units(
                job.application, served, onnx, past, units, job.processes,
                threads=job.threads, address=job.ray_address,
            ):  # fmt: skip
                for name, body in done.files:
                    self._files.place_bytes(name, body)
                yield done.rows
        elif job.processes > 1:
            for unit in process_units(self._task(plan), units, job.processes):
                yield unit.rows + len(unit.refused)
        else:
            for unit in units:
                write_part(served, past, unit, self._files, threads=job.threads)
                yield unit.rows + len(unit.refused)

    def _task(self, plan: BatchPlan) -> Task:
        where, application = self._where, self._job.application
        return Task(
            key_store=where.key_store,
            data_dir=str(where.root.resolve()),
            control_dir=str((where.control_root or where.root).resolve()),
            partition=where.partition,
            application=str((application.root / application.path).resolve()),
            out=str(self._files.path.resolve()),
            plan=plan,
            threads=self._job.threads,
        )

    def _position(self, plan: BatchPlan) -> str:
        return str(Position.of({self._where.data.name: plan.stop}))

    def _noted(self, plan: BatchPlan, told: BatchScored | None = None) -> BatchRun:
        return BatchRun(
            format=1,
            id=plan.id,
            state="begun" if told is None else "finished",
            decision=plan.decision,
            tenant=plan.tenant,
            bundle=plan.bundle,
            position=self._position(plan),
            files=len(plan.inputs),
            inputs=plan.inputs_digest,
            rows=None if told is None else told.rows,
            refused=None if told is None else told.refused,
            output="" if told is None else told.output,
            by=self._job.by,
            at_us=self._clock.now_us(),
        )


def _parts(files: WholeFiles) -> Sequence[str]:
    return sorted(name for name in files.names() if PART.fullmatch(name))


def _digest(directory: Path, names: Sequence[str]) -> str:
    state = hashlib.sha256()
    for name in names:
        with (directory / name).open("rb") as file:
            state.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return state.hexdigest()


def _outcomes(directory: Path, decision: Decision, parts: Sequence[str]) -> Mapping[str, int]:
    column = answer_column(decision.request, "outcome")
    with duckdb.connect() as database:
        found = database.execute(
            f'SELECT "{column}", count(*) FROM read_parquet(?) GROUP BY 1 ORDER BY 1',
            [[str(directory / name) for name in parts]],
        ).fetchall()
    return {str(outcome): int(rows) for outcome, rows in found}


def _rows_of(directory: Path, names: Sequence[str]) -> int:
    if not names:
        return 0
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT count(*) FROM read_parquet(?)", [[str(directory / name) for name in names]]
        ).fetchone()
    return int(found[0]) if found else 0
