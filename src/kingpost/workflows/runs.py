"""What is seen of workflows from outside: runs, their states and their steps."""

from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Literal

__all__ = ["Run", "RunQuery", "RunState", "StepRun", "Unreadable", "readable"]

RunState = Literal[
    "queued", "delayed", "running", "waits_for_code", "done", "failed", "cancelled", "given_up"
]

_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_ENDED: frozenset[RunState] = frozenset({"done", "failed", "cancelled", "given_up"})


class Unreadable:
    """In the place of a value whose class is not here: load the application to read it."""

    def __str__(self) -> str:
        return "unreadable: its class is not here"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One workflow that was started.

    Attributes:
        workflow: Which one; `schedule:<name>` where a schedule started one.
        reason: Why it failed, or what it waits for.
        attempts: How often it was taken up.
        is_open: Whether `input`, `output` and what its steps returned may be shown.
    """

    id: str
    tenant: str
    workflow: str
    state: RunState
    queue: str
    priority: int
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    due_ms: int | None
    attempts: int
    parent: str | None
    forked_from: str | None
    reason: str = ""
    is_open: bool = True
    input: object = None
    output: object = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in _ENDED


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """One step of a workflow's history.

    Attributes:
        place: Its number, from 1 on.
        failures: How many attempts failed; all of them where it `failed`.
        child: The id of the workflow that it was, if it was one.
    """

    place: int
    name: str
    started_ms: int | None
    ended_ms: int | None
    failed: str = ""
    failures: int = 0
    child: str | None = None
    output: object = None


@dataclass(frozen=True, kw_only=True)
class RunQuery:
    """Which runs; the newest come first.

    Attributes:
        until_ms: Only those that were made until then, so that pages stay as they are while
            others are started.
    """

    workflow: str | None = None
    state: RunState | None = None
    limit: int = 50
    offset: int = 0
    until_ms: int | None = None


def readable(value: object) -> object:
    """Return a value, or `Unreadable` where DBOS gives what it was kept as."""
    return Unreadable() if isinstance(value, str) and _is_pickle(value) else value


def _is_pickle(text: str) -> bool:
    """Tell whether a text is what was kept of a value whose class is not here."""
    if not text.startswith("gA"):
        return False
    try:
        kept = b64decode(text, validate=True)
    except NotBase64:
        return False
    return kept.startswith(_PICKLES) and kept.endswith(b".")
