"""The API of the small application with an inbox, a search and monitors in memory."""

import asyncio
import math
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec

from kingpost.access import KeyRing, MemoryKeys, create_key
from kingpost.core import parse_id
from kingpost.decisions import (
    LOGS,
    DataDirectory,
    Explanation,
    ExplanationLine,
    catalogue_reader,
)
from kingpost.journal import scan
from kingpost.monitoring import (
    INCIDENT_LOG_MIGRATIONS,
    Incident,
    IncidentLog,
    MemoryMonitors,
    Monitor,
    Profile,
)
from kingpost.proofs import PublishedLog
from kingpost.records import (
    DecisionRecord,
    MemoryRecords,
    Outcome,
    RecordSearch,
    Review,
    decode_record,
    decode_review,
)
from kingpost.serving import (
    CatalogueSources,
    ReviewSources,
    ServingSettings,
    build_app,
    task_of_incident,
    task_of_review,
)
from kingpost.serving.observed import line_of
from kingpost.storage import migrate
from kingpost.tasks import MemoryTasks, TaskStore
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import APPLICATION, FakeClock, fraud, open_engine, payment

if TYPE_CHECKING:
    from kingpost.workflows import Workflows

__all__ = ["INCIDENT", "ReviewHouse", "memory_incident_log", "run_review"]

DATA = Path("/journal/data")
INCIDENT = Incident(
    id="6f0a3c52-53a4-5d0b-9c2e-6d0c9d2f7a12",
    tenant="acme",
    decision="fraud",
    kind="drift",
    title="amount has drifted",
    columns=("amount", "share"),
    opened_us=1_533_124_800_000_000,
    breach_since_us=1_533_124_740_000_000,
    value=6.2,
    limit=0.6,
    window="fast",
    rows=50,
    bundle="62" * 32,
    records=("0199f2a07c007000800000000000002a",),
    facts=("amount: 6.2 over 0.6",),
    runbook="docs/how-to/handle-a-drift-incident.md",
)


class ReviewHouse:
    """A server, its stores and clients with keys."""

    def __init__(
        self,
        tasks: TaskStore | None = None,
        records: RecordSearch | None = None,
        *,
        has_sources: bool = True,
        workflows: "Workflows | None" = None,
    ) -> None:
        self.disk, self.clock, self.keys = SimulatedDisk(), FakeClock(), MemoryKeys()
        self.tasks, self.monitors = tasks or MemoryTasks(), MemoryMonitors()
        self.records = records or MemoryRecords()
        self.incident_log = memory_incident_log()
        self.where = DataDirectory(Path("/"))
        self.logs = {
            name: PublishedLog(self.where.log(name).public, disk=self.disk) for name in LOGS
        }
        self.control = self.where.control_log(disk=self.disk, clock=self.clock)
        self.profile: Profile | None = None
        self.app = build_app(
            open_engine(DATA, disk=self.disk, clock=self.clock),
            KeyRing(self.keys, self.clock),
            ServingSettings(),
            self.clock,
            sources=ReviewSources(
                lambda: self.tasks,
                lambda: self.records,
                lambda: self.monitors,
                lambda: self.incident_log,
                explained,
                CatalogueSources(
                    catalogue_reader(APPLICATION.decisions, self.control),
                    lambda _decision, _bundle: self.profile,
                ),
                self.control.retrainings,
            )
            if has_sources
            else None,
            workflows=workflows,
            logs=self.logs,
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self.shop = self.key("shop", "decide", "records")
        self.ann = self.key("ann", "review", "records")
        self.bob = self.key("bob", "review:fraud-desk")

    def key(self, name: str, *scopes: str, tenant: str = "acme") -> dict[str, str]:
        """Make a key, and return the header that sends it."""
        made = create_key(self.keys, self.clock, tenant=tenant, scopes=scopes, name=name)
        return {"authorization": f"Bearer {made.secret}"}

    async def decided(self, name: str, amount: float) -> str:
        """Have a payment decided and observed, and return its record's id."""
        body = payment(name, amount)
        answered = await self.client.post("/v1/decisions/fraud", content=body, headers=self.shop)
        assert answered.status_code == 200, answered.text
        identifier: str = answered.json()["id"]
        self.observe(identifier)
        return identifier

    def observe(self, identifier: str) -> None:
        """Do what the observer does with a record."""
        for commit in scan(DATA, disk=self.disk):
            offset = commit.offset
            for entry in commit.entries:
                if entry.kind == "record":
                    record = decode_record(entry.body)
                    if record.id == parse_id(identifier):
                        self.records.add([line_of(record, offset)])
                        if record.outcome is Outcome.REVIEW:
                            self.tasks.add([task_of_review(record, fraud)])
                offset += entry.count

    def alarm(self, kind: Monitor = "drift", records: tuple[str, ...] = INCIDENT.records) -> None:
        """Open an incident, with its task."""
        self.monitors.save_incident(replace(INCIDENT, kind=kind, records=records))
        self.tasks.add([task_of_incident(INCIDENT, self.clock.now_us())])

    def reviews(self) -> list[Review]:
        """Return the reviews in the journal."""
        return [
            decode_review(entry.body)
            for commit in scan(DATA, disk=self.disk)
            for entry in commit.entries
            if entry.kind == "review"
        ]

    async def get(self, path: str, key: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.get(path, headers=self.ann if key is None else key)

    async def post(
        self, path: str, body: object = None, key: dict[str, str] | None = None
    ) -> httpx.Response:
        content = b"" if body is None else msgspec.json.encode(body)
        return await self.client.post(
            path, content=content, headers=self.ann if key is None else key
        )


def memory_incident_log() -> IncidentLog:
    """Make a log of incidents that is gone with the test, for any thread."""
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    migrate(connection, "incidents", INCIDENT_LOG_MIGRATIONS)
    return IncidentLog(connection)


def run_review(
    scene: Callable[[ReviewHouse], Awaitable[None]], house: ReviewHouse | None = None
) -> None:
    """Play a scene in a house."""
    house = house or ReviewHouse()

    async def play() -> None:
        async with house.client:
            await scene(house)

    try:
        asyncio.run(asyncio.wait_for(play(), 20))
    finally:
        house.app.close()


def explained(record: DecisionRecord) -> Explanation:
    """Explain every record alike."""
    assert record.decision == "fraud"
    return Explanation(
        base=0.1,
        score=0.6,
        lines=(
            ExplanationLine("amount", 600.0, 0.5, 0.01, 0.99),
            ExplanationLine("share", None, 0.0, None, None),
            ExplanationLine("rate", math.inf, 0.0, None, 1.0),
        ),
        reference_rows=100,
        period="2018",
    )
