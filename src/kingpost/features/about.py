"""What people say of a feature: who answers for it, what it means, words to find it by.

The rule: none of it changes a value, so none of it is part of a digest. Another owner is
not another version.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from kingpost.core import Place, caller_place
from kingpost.features.errors import WrongFeature

__all__ = ["UNDESCRIBED", "About", "described"]

_LONGEST = 2000


@dataclasses.dataclass(frozen=True)
class About:
    """What people say of a feature, or of all features of a group.

    Attributes:
        owner: Who answers for it; empty when nobody says so.
        description: What it means; empty as well.
    """

    owner: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


UNDESCRIBED = About()


class _Describable(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def about(self) -> About: ...


D = TypeVar("D", bound=_Describable)


def described(feature: D, *, owner: str = "", description: str = "", tags: Sequence[str] = ()) -> D:
    """Say of a feature, or of a group of windowed ones, who owns it and what it means.

    It is a call around the declaration, not a decorator: a decorator would stand in the
    source of a function, and so in its digest.

    Args:
        feature: As from `kp.field`, `@kp.feature` or `.features(…)`; it stays as it is.
        tags: Words to find it by.

    Returns:
        The same feature, described; what was said before and is not said now stays.

    Raises:
        WrongFeature: Nothing is said, or it is no text that can be shown in a line.
    """
    place = caller_place()
    if isinstance(tags, str):
        raise WrongFeature(f"tags={tags!r} is a text", f"write a list: `tags=[{tags!r}]`", place)
    if not (owner or description or tags):
        raise WrongFeature("nothing is said of the feature", 'as in `owner="risk-team"`', place)
    for name, text in (("owner", owner), ("description", description), *(("tag", t) for t in tags)):
        _check(name, text, place)
    before = feature.about
    about = About(
        owner.strip() or before.owner,
        " ".join(description.split()) or before.description,
        tuple(dict.fromkeys(tag.strip() for tag in tags)) or before.tags,
    )
    return dataclasses.replace(feature, about=about)


def _check(name: str, text: str, place: Place) -> None:
    if name == "tag" and not text.strip():
        raise WrongFeature("a tag is empty", "leave it out", place)
    if len(text) > _LONGEST:
        raise WrongFeature(f"the {name} has {len(text):,} characters", "shorten it", place)
    if not " ".join(text.split()).isprintable():
        raise WrongFeature(f"the {name} has characters that cannot be shown", "remove them", place)
