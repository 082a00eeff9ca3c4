"""The console over the small application, its stores in memory, and a browser that is let in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from kingpost.access import Principal
from kingpost.console import ConsoleSources, ErasureSources, KeptRecords, build_console
from kingpost.decisions import SubjectDigests
from kingpost.monitoring import Objective, Profile
from kingpost.records import Outcome, RecordLine
from kingpost.registry import ArtefactStore
from tests.review_house import DATA, ReviewHouse, explained
from tests.tiny_app import served
from tests.watched import (
    BUNDLE,
    DAY_US,
    START_US,
    Payments,
    observations,
    payments,
    watch_over,
)

if TYPE_CHECKING:
    from kingpost.workflows import Workflows

__all__ = ["ANN", "ConsoleHouse", "run_console"]

ANN = Principal("k1", "acme", frozenset(("records", "review")), "ann")


class OpenDoor:
    """Lets everybody in as somebody."""

    def __init__(self) -> None:
        self.principal = ANN

    def routes(self) -> Sequence[BaseRoute]:
        return ()

    def guard(self, app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope)
            request.state.principal = self.principal
            request.state.csrf = "the-secret-of-the-session"
            await app(scope, receive, send)

        return guarded


class ConsoleHouse:
    """A server with its console, and what is behind it."""

    def __init__(
        self,
        profile: Profile | None = None,
        workflows: "Workflows | None" = None,
        slos: tuple[Objective, ...] = (),
    ) -> None:
        self.behind, self.door = ReviewHouse(workflows=workflows), OpenDoor()
        self.profile = self.behind.profile = profile
        disk, clock = self.behind.disk, self.behind.clock
        self.control = self.behind.control
        desk = self.behind.app.desk
        assert desk is not None
        sources = ConsoleSources(
            served={
                name: replace(one, decision=replace(one.decision, slos=slos))
                for name, one in served().items()
            },
            records=lambda: self.behind.records,
            monitors=lambda: self.behind.monitors,
            tasks=lambda: self.behind.tasks,
            desk=desk,
            kept=KeptRecords(DATA, disk=disk),
            control=self.control,
            artefacts=ArtefactStore(Path("/artefacts"), disk=disk),
            bundle_of=lambda decision, digest: None,
            profile_of=lambda decision, digest: self.profile,
            explain=explained,
            workflows=self.behind.app.workflows,
            logs=self.behind.logs,
            erasures=ErasureSources(
                "data",
                self.behind.app.engine.erasures,
                self.behind.app.engine.refused_erasures,
                self.behind.app.engine.legal_holds,
                SubjectDigests(self.behind.where, disk=disk).of,
            ),
        )
        self.behind.app.mount(build_console(sources, clock, door=self.door))
        transport = httpx.ASGITransport(self.behind.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def watch(self, rows: Payments) -> None:
        """Have payments of another bundle watched, and the last of them found by the search."""
        clock = self.behind.clock
        clock.us = max(clock.us, int(rows.event_time_us[-1]))
        watch = watch_over(self.behind.monitors, self.profile)
        watch.observe("acme", "fraud", BUNDLE, observations(rows))
        for incident in watch.flush():
            self.behind.monitors.save_incident(replace(incident, records=()))
        self.behind.records.add([_line(int(rows.event_time_us[-1]))])

    def drift(self) -> None:
        """Have two days watched; from the noon of the second on, amounts are a hundredfold."""
        rows = payments(START_US, 2)
        late = rows.since(START_US + DAY_US + DAY_US // 2)
        rows.x[late, 0] *= 100
        self.watch(rows)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(path, headers=named)

    async def page(self, path: str) -> str:
        """Open a page that is there."""
        found = await self.get(path)
        assert found.status_code == 200, (path, found.status_code, found.text[-400:])
        return found.text

    async def send(self, path: str, fields: Mapping[str, str]) -> httpx.Response:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.client.post(path, content=urlencode(fields), headers=kind)


def run_console(
    scene: Callable[[ConsoleHouse], Awaitable[None]],
    profile: Profile | None = None,
    workflows: "Workflows | None" = None,
    slos: tuple[Objective, ...] = (),
) -> None:
    """Play a scene in a house."""
    house = ConsoleHouse(profile, workflows, slos)

    async def play() -> None:
        async with house.client, house.behind.client:
            await scene(house)

    try:
        asyncio.run(asyncio.wait_for(play(), 30))
    finally:
        house.behind.app.close()


def _line(event_time_us: int) -> RecordLine:
    return RecordLine(
        id=bytes(16),
        offset=1,
        tenant="acme",
        decision="fraud",
        bundle=BUNDLE,
        model=bytes(32),
        event_key="watched",
        session=None,
        trace_id="0" * 32,
        event_time_us=event_time_us,
        at_us=event_time_us,
        outcome=Outcome.DECIDED,
        positive=False,
        score=0.1,
        confidence=0.9,
    )
