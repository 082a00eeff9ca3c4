"""Who lets people in: what the console asks of its sign-in.

The rule: behind the door every request carries `request.state.principal`, a
`kingpost.access.Principal`, and `request.state.csrf`, the token that every form sends back
in the field `csrf`; requests of neither never get there.
"""

from collections.abc import Sequence
from typing import Protocol

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

__all__ = ["Door"]


class Door(Protocol):
    """The sign-in of a console."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages that let people in and out."""
        ...

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Put the door before an application."""
        ...
