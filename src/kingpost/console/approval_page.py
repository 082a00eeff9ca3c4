"""What a workflow asks: what it is about, and the yes, the no or the other value it gets.

The rule: one form holds all that somebody writes, so that whichever button they press, and
whatever is wrong with it, it comes back as they left it; and a value they changed is never
passed over by a plain yes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from kingpost.console.errors import BadField
from kingpost.console.forms import Refusal
from kingpost.console.visit import Visit
from kingpost.tasks import Task

__all__ = ["approval_page", "check_unchanged", "value_of_form"]

_FIELD = "The value"
_AT = {"bad_reason": "reason", "bad_task_value": "value", "bad_field": "value"}


class _Fact(NamedTuple):
    name: str
    text: str
    is_block: bool


@dataclass(frozen=True)
class _ApprovalView:
    task: Task
    about: Sequence[_Fact]
    answer: Sequence[_Fact]
    may_answer: bool
    is_mine: bool
    is_others: bool
    is_overdue: bool
    waiting: int
    done: str
    problem: str
    problem_at: str
    reason: str
    value: str


def approval_page(visit: Visit, task: Task, refusal: Refusal | None = None) -> Response:
    """Make the page of an approval."""
    is_mine = task.is_held(visit.now_us) and task.claimed_by == visit.principal.by
    counts = visit.tasks.counts(visit.tenant, visit.now_us)
    form: Mapping[str, str] = refusal.form if refusal else {}
    view = _ApprovalView(
        task=task,
        about=_facts(task.about),
        answer=_facts(task.answer),
        may_answer=visit.may_review(task.queue) and task.closed_us is None,
        is_mine=is_mine,
        is_others=task.is_held(visit.now_us) and not is_mine,
        is_overdue=task.is_overdue(visit.now_us),
        waiting=sum(
            one.open for one in counts if (one.kind, one.queue) == ("approval", task.queue)
        ),
        done=visit.asked("done"),
        problem=refusal.problem if refusal else "",
        problem_at=_AT.get(refusal.code, "") if refusal else "",
        reason=form.get("reason", ""),
        value=form.get("value", _written(task.about)),
    )
    status = refusal.status if refusal else 200
    return visit.page("approval.html", view, title=task.title, section="inbox", status=status)


def value_of_form(text: str) -> Mapping[str, object]:
    """Read a value that somebody wrote.

    Raises:
        BadField: It is no JSON object.
    """
    try:
        found: object = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadField(_FIELD, f"it is no JSON: {error.msg} at {where}") from error
    except (ValueError, RecursionError) as error:
        raise BadField(_FIELD, "it is no JSON that can be read") from error
    if not isinstance(found, dict):
        raise BadField(_FIELD, "write a JSON object, in braces")
    return cast("dict[str, object]", found)


async def check_unchanged(visit: Visit, identifier: str, text: str) -> None:
    """Refuse a yes to a value that somebody has changed on the page.

    Raises:
        BadField
    """
    task = await run_in_threadpool(lambda: visit.tasks.get(visit.tenant, identifier))
    if task is not None and value_of_form(text) != task.about:
        raise BadField(
            _FIELD, "you have changed it; send it as modified, or write it as it was to approve"
        )


def _each_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadField(_FIELD, "a name is there twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise BadField(_FIELD, f"JSON has no {name}")


def _facts(value: Mapping[str, object]) -> Sequence[_Fact]:
    return [
        _Fact(name, _text(one), isinstance(one, dict | list) and one not in ({}, []))
        for name, one in value.items()
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else _written(value)


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
