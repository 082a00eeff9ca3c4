"""Checks of a server, run one after the other; each is one sentence of the protocol.

The rule: a check passes, fails with what it found, or is left out with the reason why. It
asks what the protocol says and nothing of how a server does it; where the protocol leaves
something open, every answer that it allows passes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from kingpost.serving.conformance.target import Target, TargetUnreachable

__all__ = ["Check", "CheckResult", "LeftOut", "NotConform", "run_checks"]

Verdict = Literal["pass", "fail", "skip"]


class NotConform(Exception):
    """A server that does otherwise than the protocol says; its text says what was found."""


class LeftOut(Exception):
    """A check that does not concern this server or model; its text says why."""


class Check(NamedTuple):
    """One sentence of the protocol.

    Attributes:
        name: Stable, for programs.
        says: The sentence.
        run: Raises `NotConform` or `LeftOut`.
    """

    name: str
    says: str
    run: Callable[[Target], None]


class CheckResult(NamedTuple):
    """What came of a check; `found` is empty when it passed."""

    name: str
    verdict: Verdict
    says: str
    found: str = ""


def run_checks(checks: Iterable[Check], target: Target) -> Iterator[CheckResult]:
    """Run checks, and yield what came of each.

    Raises:
        TargetUnreachable: Nobody answers there at all.
    """
    for one in checks:
        yield _run(one, target)


def _run(check: Check, target: Target) -> CheckResult:
    try:
        check.run(target)
    except NotConform as error:
        return CheckResult(check.name, "fail", check.says, str(error))
    except LeftOut as error:
        return CheckResult(check.name, "skip", check.says, str(error))
    except TargetUnreachable as error:
        if not target.has_answered:
            raise
        return CheckResult(check.name, "fail", check.says, str(error))
    except Exception as error:  # noqa: BLE001  the boundary of a check: any server may answer it
        found = f"the answer cannot be understood: {type(error).__name__}: {error}"
        return CheckResult(check.name, "fail", check.says, found[:300])
    return CheckResult(check.name, "pass", check.says)
