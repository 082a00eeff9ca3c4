"""The worker of one process: takes workflows from their queues and runs them, by DBOS.

The rules: one process of a name runs at a time, and whatever it left unfinished when it
was killed it takes up again when it starts. All deployments share one version as far as
DBOS goes, so that a new one takes up what an older one began; what does not fit the code
any more is left as it is and says so.
"""

import asyncio
import contextvars
import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ParamSpec, Self, TypeVar

import psycopg
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSContextSetAuth, ScheduleInput
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from kingpost.core import Clock
from kingpost.workflows.dbos_runtime import CodeChanged, DbosRuntime, time_limit
from kingpost.workflows.declare import DEFAULT_QUEUE, Queue, Schedule, Workflow
from kingpost.workflows.errors import AlreadyWorking, BadWorkflow, WorkflowStoreFailed
from kingpost.workflows.inbox import Inbox
from kingpost.workflows.logs import log_as_others
from kingpost.workflows.people import People
from kingpost.workflows.running import use_runtime
from kingpost.workflows.system_database import WorkflowDatabase
from kingpost.workflows.takeover import Takeover
from kingpost.workflows.traces import Traces

__all__ = ["APPLICATION", "VERSION", "WAITS_FOR_CODE", "Worker"]

APPLICATION = "kingpost"
VERSION = "kingpost"
"""What DBOS takes for the version of the code, whatever is deployed."""

WAITS_FOR_CODE = "waits_for_code"
"""The attribute that says why a workflow does not go on."""

_PAGE = 1000
_NAME_FREE_S = 3.0
"""How long PostgreSQL may take to notice that whoever had a name was killed."""
_THREADS = 64
_THREAD_NAMES = "dbos-executor-"
_QUEUE_NAMES = "queue-worker-"
_QUEUE_ENDS_S = 5.0
_SCHEDULED = "schedule:"
_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """Runs workflows until it is closed; one in a process.

    Args:
        name: Tells the workers of one database apart. A worker that starts takes up what
            one of the same name left, and soon also what others left that are gone.
        takeover_s: How often it is looked for workers that are gone.
        people: The inbox that workflows ask people through.
        tenant: Whose the workflows are that a schedule starts.
        otlp_endpoint: Where the spans of workflows and steps go by OTLP over HTTP, as
            `http://127.0.0.1:4318`; nowhere when empty.

    Raises:
        BadWorkflow: Two workflows, or two queues, have the same name.
        ExtraMissing: Spans are asked for, and the extra `otel` is not installed.
    """

    def __init__(
        self,
        database: WorkflowDatabase,
        workflows: Iterable[Workflow[..., Any]],
        schedules: Iterable[Schedule] = (),
        *,
        people: People | None = None,
        clock: Clock,
        name: str = "local",
        tenant: str = "default",
        otlp_endpoint: str = "",
        listen_poll_s: float = 0.25,
        takeover_s: float = 5.0,
    ) -> None:
        self._database, self._schedules = database, tuple(schedules)
        self._declared = _by_name(
            [*workflows, *(schedule.workflow for schedule in self._schedules)]
        )
        self._name, self._tenant, self._listen_poll_s = name, tenant, listen_poll_s
        self._names = database.worker_names()
        self._takeover: Takeover | None = None
        self._look_s = takeover_s
        self._traces = Traces(otlp_endpoint) if otlp_endpoint else None
        self._inbox = Inbox(people, clock)
        self._engine: sa.Engine | None = None
        self._dbos: DBOS | None = None
        self._registered: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def waiting_for_people(self) -> int:
        """How many workflows wait here for an answer."""
        return self._inbox.waiting

    def start(self) -> None:
        """Take up what was left, and work in the background from now on.

        Raises:
            AlreadyWorking: Another worker has the name.
            WorkflowStoreFailed: The database cannot be reached or written.
        """
        try:
            self._claim_name()
            self._start()
        except AlreadyWorking:
            self._inbox.close()
            self._names.close()
            raise
        except (psycopg.Error, SQLAlchemyError, dbos_error.DBOSException) as error:
            self.close()
            raise WorkflowStoreFailed(self._database.where, type(error).__name__) from error

    def _claim_name(self) -> None:
        ends_s = time.monotonic() + _NAME_FREE_S
        while not self._names.claim(self._name):
            if time.monotonic() > ends_s:
                raise AlreadyWorking(self._name, self._database.where)
            time.sleep(_NAME_FREE_S / 20)

    def _start(self) -> None:
        self._database.prepare()
        config = self._config()
        _forget_old_complaints(config)
        self._dbos = DBOS(config=config)
        log_as_others()
        self._registered.update(
            {name: _registered(declared) for name, declared in self._declared.items()}
        )
        timed = {one.name: _timed(one, self._registered, self._tenant) for one in self._schedules}
        use_runtime(DbosRuntime(self._registered, self._inbox))
        DBOS.launch()
        for queue in _queues(self._declared.values()):
            _register(queue)
        DBOS.apply_schedules([_input(one, timed[one.name]) for one in self._schedules])
        for known in DBOS.list_schedules():
            if known["schedule_name"] not in timed:
                DBOS.delete_schedule(known["schedule_name"])
        self._takeover = Takeover(self._names, self._name, look_s=self._look_s)

    def run(self, workflow: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a `def` workflow in this thread, and return what it returns.

        It is kept as any other: when this process dies, a worker of its name finishes it.

        Raises:
            BadWorkflow: It is `async def`, or not among this worker's.
        """
        found = self._registered.get(workflow.name)
        if found is None or workflow.is_async:
            problem = "cannot be run in a thread"
            raise BadWorkflow(f"workflow {workflow.name!r}", problem, "start it with `Workflows`")
        return found(*args, **kwargs)

    def close(self) -> None:
        """Stop; what is unfinished goes on when a worker starts again."""
        self._inbox.close()
        if self._takeover is not None:
            self._takeover.close()
        if self._dbos is not None:
            _stop_queues(self._dbos)
        DBOS.destroy(workflow_completion_timeout_sec=0, destroy_registry=True)
        use_runtime(None)
        if self._traces is not None:
            self._traces.flush()
        if self._engine is not None:
            self._engine.dispose()
        self._names.close()

    @staticmethod
    def steps_in_flight() -> int:
        """Count the threads of this process that `def` steps and workflows hold.

        After `close` they are those that have not ended; a process that ends waits for them.
        """
        return sum(1 for one in threading.enumerate() if one.name.startswith(_THREAD_NAMES))

    def _config(self) -> DBOSConfig:
        config = DBOSConfig(
            name=APPLICATION,
            system_database_url=self._database.url,
            dbos_system_schema=self._database.schema,
            application_version=VERSION,
            executor_id=self._name,
            max_executor_threads=_THREADS,
            notification_listener_polling_interval_sec=self._listen_poll_s,
            scheduler_polling_interval_sec=1.0,
            log_level="WARNING",
        )
        if self._traces is not None:
            self._traces.add_to(config)
        self._engine = self._database.engine(waits_for_room=True)
        if self._engine is not None:
            config["system_database_engine"] = self._engine
        return config


def _forget_old_complaints(config: DBOSConfig) -> None:
    """Take back what was said of code that did not fit, before any workflow runs.

    The code may fit now; a workflow that it does not fit will say so anew.
    """
    client = DBOSClient(
        system_database_url=config.get("system_database_url"),
        system_database_engine=config.get("system_database_engine"),
        dbos_system_schema=config.get("dbos_system_schema"),
        application_name=APPLICATION,
    )
    try:
        for first in itertools.count(0, _PAGE):
            page = client.list_workflows(
                status="PENDING", limit=_PAGE, offset=first, load_input=False, load_output=False
            )
            for run in page:
                if (run.attributes or {}).get(WAITS_FOR_CODE):
                    forgotten = {WAITS_FOR_CODE: ""}
                    client.update_workflow_attributes(run.workflow_id, forgotten, merge=True)
            if len(page) < _PAGE:
                return
    finally:
        client.destroy()


def _by_name(workflows: Iterable[Workflow[..., Any]]) -> Mapping[str, Workflow[..., Any]]:
    found: dict[str, Workflow[..., Any]] = {}
    for one in workflows:
        if found.setdefault(one.name, one) is not one:
            problem = "two workflows are called so"
            raise BadWorkflow(f"workflow {one.name!r}", problem, "rename one")
    return found


def _queues(workflows: Iterable[Workflow[..., Any]]) -> Iterable[Queue]:
    found = {DEFAULT_QUEUE.name: DEFAULT_QUEUE}
    for one in workflows:
        if found.setdefault(one.queue.name, one.queue) != one.queue:
            problem = "two queues of other limits are called so"
            raise BadWorkflow(f"queue {one.queue.name!r}", problem, "declare it once")
    return found.values()


def _register(queue: Queue) -> None:
    limiter = None
    if queue.per_period is not None:
        limiter = {"limit": queue.per_period, "period": queue.period_s}
    DBOS.register_queue(
        queue.name,
        global_concurrency=queue.at_once,
        worker_concurrency=queue.at_once_per_worker,
        limiter=limiter,  # pyright: ignore[reportArgumentType]  a TypedDict of DBOS' own module
        polling_interval_sec=queue.poll_s,
        on_conflict="always_update",
    )


def _stop_queues(dbos: DBOS) -> None:
    """Let no more workflows begin: one that is claimed while all else ends would hang in the air."""
    for stop in dbos.background_thread_stop_events:
        stop.set()
    for thread in threading.enumerate():
        if thread.name.startswith(_QUEUE_NAMES):
            thread.join(_QUEUE_ENDS_S)


def _registered(declared: Workflow[..., Any]) -> Callable[..., Any]:
    """Give a workflow to DBOS, so that one that does not fit its history stays as it is."""
    function = declared.function
    if declared.is_async:

        @functools.wraps(function)
        async def asynchronous(*args: Any, **named: Any) -> Any:
            try:
                return await function(*args, **named)
            except CodeChanged as changed:
                await asyncio.to_thread(_complain, changed)
                raise
            except Exception as error:
                _log_failure(declared.name, error)
                raise

        return DBOS.workflow(name=declared.name)(asynchronous)

    @functools.wraps(function)
    def synchronous(*args: Any, **named: Any) -> Any:
        try:
            return function(*args, **named)
        except CodeChanged as changed:
            _complain(changed)
            raise
        except Exception as error:
            _log_failure(declared.name, error)
            raise

    return DBOS.workflow(name=declared.name)(synchronous)


def _log_failure(name: str, error: Exception) -> None:
    extra = {"workflow": name, "id": DBOS.workflow_id, "error": type(error).__name__}
    _log.warning("workflow_failed", extra=extra)


def _complain(changed: CodeChanged) -> None:
    _log.error("workflow_code_changed", extra={"workflow": changed.workflow, "why": str(changed)})
    # a context of its own: for DBOS this is no step of the workflow
    contextvars.Context().run(
        DBOS.update_workflow_attributes,
        changed.workflow,
        {WAITS_FOR_CODE: str(changed)},
        merge=True,
    )


def _timed(
    schedule: Schedule, registered: Mapping[str, Callable[..., Any]], tenant: str
) -> Callable[..., Any]:
    """Make the workflow that DBOS starts at a time, which runs the one that is scheduled."""
    declared = schedule.workflow
    name = f"{_SCHEDULED}{schedule.name}"
    if declared.is_async:

        async def asynchronous(due: datetime, _context: object) -> None:
            with DBOSContextSetAuth(tenant, []), time_limit(declared):
                handle: Any = await DBOS.start_workflow_async(
                    registered[declared.name], *schedule.args, due
                )
            await handle.get_result()

        return DBOS.workflow(name=name)(asynchronous)

    def synchronous(due: datetime, _context: object) -> None:
        with DBOSContextSetAuth(tenant, []), time_limit(declared):
            registered[declared.name](*schedule.args, due)

    return DBOS.workflow(name=name)(synchronous)


def _input(schedule: Schedule, timed: Callable[..., Any]) -> ScheduleInput:
    return ScheduleInput(
        schedule_name=schedule.name,
        workflow_fn=timed,
        schedule=schedule.cron,
        automatic_backfill=schedule.catches_up,
        cron_timezone=schedule.zone,
        queue_name=schedule.workflow.queue.name,
    )
