"""For how long each decision and each stream is kept, and what asks for longer.

The rule: nothing goes that something kept needs. A stream is kept for as long as the records of
each decision that is made of it, and so much longer as its windows look back: whatever record
is kept can be decided again. What no policy names is kept for ever, and so is what it needs.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kingpost.core import duration_text, duration_us
from kingpost.decisions.application import Application
from kingpost.decisions.declare import Decision
from kingpost.decisions.retention.errors import RetentionTooShort, UnknownRetention
from kingpost.decisions.tenant_state import consents_of
from kingpost.features import ALL_TIME_US

__all__ = ["Kept", "RetentionPolicy"]

_OTHERS = "*"


class Kept(NamedTuple):
    """How long something is kept.

    Attributes:
        for_us: None for ever.
        because: What asks for that.
    """

    for_us: int | None
    because: str

    @property
    def text(self) -> str:
        """The length as the settings have it."""
        return "for ever" if self.for_us is None else duration_text(self.for_us)


class RetentionPolicy(NamedTuple):
    """What is kept for how long, by name.

    Attributes:
        decisions: Records of these, of shadows, reviews and requests to their models.
        streams: Events of these, their corrections and rows that were refused.
        text: The setting, as it is noted.
    """

    decisions: Mapping[str, Kept]
    streams: Mapping[str, Kept]
    text: str

    @staticmethod
    def read(
        asked: Iterable[tuple[str, str]], minimum: str, application: Application
    ) -> "RetentionPolicy":
        """Read what the settings ask for, and add what the application needs.

        Args:
            asked: Names of decisions and streams with lengths; `*` for all others.
            minimum: What the law asks for, of records.

        Raises:
            UnknownRetention: A name is not declared.
            RetentionTooShort: A decision's records would go before the law allows, or before
                what turned out to be true of them comes in.
        """
        lengths = {name: duration_us(length) for name, length in asked}
        known = {*application.decisions, *application.streams}
        for name in lengths:
            if name not in known and name != _OTHERS:
                raise UnknownRetention(name, tuple(sorted(known)))
        decisions = {
            name: _of_decision(decision, _asked(lengths, name), duration_us(minimum), minimum)
            for name, decision in application.decisions.items()
        }
        needs = list(_needs(application.decisions.values(), decisions))
        endless = {one.stream for one in consents_of(application.decisions)}
        streams: dict[str, Kept] = {}
        for name in application.streams:
            wishes = [_asked(lengths, name), *(kept for stream, kept in needs if stream == name)]
            if name in endless:
                wishes.append(Kept(None, "it says who consents"))
            streams[name] = _longest(wishes)
        text = ";".join(f"{name}={length}" for name, length in asked)
        return RetentionPolicy(decisions, streams, text)

    @property
    def is_endless(self) -> bool:
        """Whether all is kept for ever."""
        return all(one.for_us is None for one in (*self.decisions.values(), *self.streams.values()))


def _asked(lengths: Mapping[str, int], name: str) -> Kept:
    found = lengths.get(name, lengths.get(_OTHERS))
    return Kept(found, "the setting" if found is not None else "no setting names it")


def _of_decision(decision: Decision, kept: Kept, minimum_us: int, minimum: str) -> Kept:
    if kept.for_us is None:
        return kept
    if kept.for_us < minimum_us:
        because = "the setting 'retention_minimum'"
        raise RetentionTooShort(decision.name, kept.text, minimum, because)
    label = decision.model.label.stream.name
    windows = [
        one.delay_us
        for view in decision.views
        if view.stream.name == label
        for one in view.windowed.windows
    ]
    late_us = max(windows, default=0)
    if kept.for_us < late_us:
        because = f"the delay with which the stream {label!r} becomes known"
        raise RetentionTooShort(decision.name, kept.text, duration_text(late_us), because)
    return kept


def _needs(decisions: Iterable[Decision], kept: Mapping[str, Kept]) -> Iterable[tuple[str, Kept]]:
    """Yield what decisions need of streams for as long as their records are kept."""
    for decision in decisions:
        own = kept[decision.name]
        records = f"records of {decision.name!r} are kept {own.text}"
        yield decision.request.name, Kept(own.for_us, records)
        yield decision.model.label.stream.name, Kept(own.for_us, records)
        for view in decision.views:
            reach_us = max(one.reach_us for one in view.windowed.windows)
            if own.for_us is None or reach_us >= ALL_TIME_US:
                because = records if own.for_us is None else "a window looks back without an end"
                yield view.stream.name, Kept(None, because)
            else:
                because = f"{records}, and their windows look back {duration_text(reach_us)}"
                yield view.stream.name, Kept(own.for_us + reach_us, because)


def _longest(wishes: Iterable[Kept]) -> Kept:
    found = list(wishes)
    endless = [one for one in found if one.for_us is None]
    return endless[-1] if endless else max(found, key=lambda one: one.for_us or 0)
