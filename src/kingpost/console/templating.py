"""The templates: escaped always, and nothing undefined."""

from collections.abc import Callable
from functools import cache
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from kingpost.console.static_files import static_url
from kingpost.console.wording import (
    clock_time,
    day,
    moment,
    number,
    psi,
    rate,
    score,
    sentence,
    share,
    short,
    since,
    took,
    value,
)

__all__ = ["templates"]

_FILTERS: tuple[Callable[..., str], ...] = (
    clock_time,
    day,
    moment,
    number,
    psi,
    rate,
    score,
    sentence,
    share,
    short,
    since,
    took,
    value,
)


@cache
def templates() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=PackageLoader("kingpost.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    cast("dict[str, object]", made.globals)["static"] = static_url
    for one in _FILTERS:
        made.filters[one.__name__] = one
    for name in made.list_templates():
        made.get_template(name)  # now, so that nobody waits for it
    return made
