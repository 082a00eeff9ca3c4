"""A finding: what was looked at, how it is, and what to do about it.

The rule: a check never ends the examination. What goes wrong within one is its finding.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from kingpost.core import KingpostError

__all__ = ["Check", "Finding", "Result", "State", "examine", "failed", "ok", "warned", "worst"]

State = Literal["ok", "warn", "fail"]
_ORDER: Sequence[State] = ("ok", "warn", "fail")


class Finding(NamedTuple):
    """What one check found.

    Attributes:
        found: How it is.
        mend: What to do; empty when all is well.
    """

    check: str
    state: State
    found: str
    mend: str = ""


class Result(NamedTuple):
    """What a check yields: a finding, but for its name."""

    state: State
    found: str
    mend: str = ""


Check = Callable[[], Iterator[Result]]
"""Looks at one thing; yields what it sees, as a rule once."""


def ok(found: str) -> Result:
    """Say that all is well."""
    return Result("ok", found)


def warned(found: str, mend: str) -> Result:
    """Say what works, but not as it should."""
    return Result("warn", found, mend)


def failed(found: str, mend: str) -> Result:
    """Say what does not work."""
    return Result("fail", found, mend)


def examine(checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Make the checks one after the other."""
    for name, check in checks.items():
        try:
            for result in check():
                yield Finding(name, *result)
        except KingpostError as error:
            yield Finding(name, "fail", f"[{error.code}] {error}", "do what the message says")
        except (OSError, sqlite3.Error) as error:
            yield Finding(name, "fail", str(error), "check the path and who may read it")
        except Exception as error:  # noqa: BLE001  the boundary of a check
            found = f"the check itself failed: {type(error).__name__}: {error}"
            yield Finding(name, "fail", found, "report this as a bug")


def worst(findings: Sequence[Finding]) -> State:
    """Return the worst state among them."""
    return _ORDER[max((_ORDER.index(finding.state) for finding in findings), default=0)]
