"""Whether the server lives, and whether it takes work."""

import msgspec

from kingpost.serving.errors import NotReady
from kingpost.serving.http import HttpAnswer
from kingpost.serving.shell import Shell

__all__ = ["Health", "HealthDocument"]

_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class HealthDocument(msgspec.Struct):
    """An answer of the health routes."""

    status: str


class Health:
    """The health of one server."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.is_draining = False

    def live(self) -> HttpAnswer:
        """Answer that the process is there to answer."""
        return _answer("live")

    def ready(self) -> HttpAnswer:
        """Answer that requests may be sent here.

        Raises:
            NotReady: They should go elsewhere: it is shutting down, or nothing can be
                recorded, for now or until it is started again, or features cannot be read.
        """
        if self._shell.is_recovering:
            raise NotReady("the journal cannot be written; it goes on by itself once it can")
        if self._shell.failure is not None:
            raise NotReady("a failure has ended all work; start it again")
        if self.is_draining:
            raise NotReady("it is shutting down")
        problem = self._shell.engine.features_problem
        if problem is not None:
            raise NotReady(
                f"features cannot be read ({problem.code}); it goes on by itself once they can"
            )
        return _answer("ready")


def _answer(status: str) -> HttpAnswer:
    return HttpAnswer(200, _HEADERS, msgspec.json.encode(HealthDocument(status)))
