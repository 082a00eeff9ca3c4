"""The incidents of one decision: opened, joined, and ended by themselves.

The rule: breaches are told in the order of stream time. An incident takes in what
breaches while it is open, and ends an hour after the last moment at which anything of its
kind was beyond its limit; that this is so may be noticed later, and changes nothing. A time
without decisions says nothing of what decisions are measured by, and ends nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from kingpost.monitoring.incident import Incident
from kingpost.monitoring.status import Monitor
from kingpost.monitoring.window import HOUR_US

__all__ = ["QUIET_US", "Breach", "IncidentBook", "OpenIncident"]

QUIET_US = HOUR_US
"""For so long nothing is beyond its limit before an incident ends."""
_BY_LABELS: frozenset[Monitor] = frozenset({"quality", "overrides"})
"""What comes to light without decisions, too."""


class OpenIncident(NamedTuple):
    """An incident, and the last moment at which its kind was beyond a limit."""

    incident: Incident
    last_us: int


class Breach(NamedTuple):
    """Something is beyond its limit.

    Attributes:
        at_us: When it was judged, stream time.
        until_us: Until when it counts as going on, if nothing more is heard.
        columns: The worst first.
        describe: Makes the incident when there is none yet.
    """

    monitor: Monitor
    at_us: int
    until_us: int
    columns: Sequence[str]
    describe: Callable[[], Incident]


class IncidentBook:
    """At most one open incident per kind."""

    def __init__(self, going_on: Mapping[Monitor, OpenIncident]) -> None:
        self._open = dict(going_on)
        self._changed: dict[str, Incident] = {}
        self._opened: list[str] = []

    @property
    def going_on(self) -> Mapping[Monitor, OpenIncident]:
        """The open incidents by kind."""
        return self._open

    def tell(self, breach: Breach) -> None:
        """Take note of a breach; none before it in stream time is told later."""
        self.pass_to(breach.at_us)
        known = self._open.get(breach.monitor)
        if known is None:
            incident = breach.describe()
            self._opened.append(incident.id)
            self._changed[incident.id] = incident
            self._open[breach.monitor] = OpenIncident(incident, breach.until_us)
            return
        incident, last_us = known
        joining = [name for name in breach.columns if name not in incident.columns]
        if joining:
            incident = replace(
                incident,
                columns=incident.columns + tuple(joining),
                joined=incident.joined + tuple((breach.at_us, name) for name in joining),
            )
            self._changed[incident.id] = incident
        self._open[breach.monitor] = OpenIncident(incident, max(last_us, breach.until_us))

    def pass_to(self, now_us: int) -> None:
        """End what has been quiet for an hour by a time."""
        for monitor, (incident, last_us) in list(self._open.items()):
            if last_us + QUIET_US < now_us:
                del self._open[monitor]
                self._changed[incident.id] = replace(incident, ended_us=last_us + QUIET_US)

    def pause(self, since_us: int, until_us: int) -> None:
        """Take note of a time without decisions: what went on before it still does."""
        self.pass_to(since_us)
        for monitor, (incident, last_us) in self._open.items():
            if monitor not in _BY_LABELS:
                self._open[monitor] = OpenIncident(incident, last_us + until_us - since_us)

    def take(self) -> tuple[Sequence[Incident], Sequence[Incident]]:
        """Return what changed since the last time, and what of that is new."""
        changed = list(self._changed.values())
        new = [self._changed[identifier] for identifier in self._opened]
        self._changed, self._opened = {}, []
        return changed, new
