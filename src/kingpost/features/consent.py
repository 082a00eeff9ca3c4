"""Consent: what a person allows their data to be used for, as a stream of events says.

    marketing = consents.where("purpose", equals="marketing").by("customer").consent(
        "granted", purpose="marketing"
    )
    spend = kp.consented(transactions.by("customer").over("7d").features(...), marketing)

The rule: consent counts from when we hold it, as all else that is known at a position. Of
what an entity said, the latest by its event time counts, of equals the last to arrive; who
said nothing has not consented. An event is held for a feature only if there is consent when
it arrives, and is dropped when consent ends: what was dropped does not come back with a
later consent. A read without consent gives no value.

Only the declaration is here; what it does to reads is in `consent_log` and `online`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from kingpost.contracts import Contract, Event
from kingpost.core import Place, caller_place
from kingpost.features.errors import WrongFeature
from kingpost.features.filters import Filter

__all__ = ["Consent", "consented"]


@dataclass(frozen=True)
class Consent:
    """Consent of entities to one purpose; made by `Keyed.consent`.

    Attributes:
        purpose: What for, as records name it.
        stream: The stream that says who consents.
        entity: The field, there and in requests, that says who.
        filters: Which of its events speak of this purpose, in ascending order.
        field: The boolean that is true where consent is given and false where it is taken back.
    """

    purpose: str
    stream: str
    entity: str
    filters: tuple[Filter, ...]
    field: str
    contract: Contract[Event] = dataclasses.field(compare=False, repr=False)
    place: Place = dataclasses.field(compare=False, repr=False)

    @property
    def description(self) -> Mapping[str, object]:
        """What it depends on, for the digests of features that need it."""
        return {
            "purpose": self.purpose,
            "stream": self.contract.digest,
            "entity": self.entity,
            "filters": [one.description for one in self.filters],
            "field": self.field,
        }


class _Consentable(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def consent(self) -> Consent | None: ...


C = TypeVar("C", bound=_Consentable)


def consented(feature: C, consent: Consent) -> C:
    """Compute a feature, or a group of windowed ones, only for those who consent.

    Without consent its values are NaN, and so are those of functions that take it; the
    record says so. Windows hold no event of an entity that does not consent.

    Args:
        feature: As from `kp.field`, `@kp.feature` or `.features(…)`; it stays as it is.
        consent: As from `.by(…).consent(…)`. Its entity must be a field of the request, and
            one of the fields that a window is grouped by.

    Raises:
        WrongFeature: The feature needs another consent already, or is a window over more
            than one entity's events.
    """
    place = caller_place()
    if feature.consent is not None:
        raise WrongFeature(
            f"the feature needs consent to {feature.consent.purpose!r} already",
            "declare one consent that speaks of both purposes",
            place,
        )
    keys: tuple[str, ...] | None = getattr(feature, "keys", None)
    if keys is not None and consent.entity not in keys:
        raise WrongFeature(
            f"windows by {', '.join(keys)} hold the events of many, and consent to "
            f"{consent.purpose!r} is given by each {consent.entity}",
            f"group by {consent.entity!r}, alone or with other fields",
            place,
        )
    return dataclasses.replace(feature, consent=consent)
