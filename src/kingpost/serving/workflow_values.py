"""What workflows work on, as JSON: whatever Python value it is, and however large.

The rule: a value that JSON can carry is shown; of any other only the type's name is told,
never its text, which may hold a secret, and never the bytes that it is kept as.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kingpost.workflows import Unreadable, Workflow

__all__ = ["LARGEST_VALUE", "ValueDocument", "shown_input", "shown_value"]

LARGEST_VALUE = 16 * 1024
"""How many bytes of JSON a value may take to be shown."""

_encode = msgspec.json.Encoder(enc_hook=lambda value: f"<{type(value).__name__}>").encode


class ValueDocument(msgspec.Struct, omit_defaults=True):
    """A value, or why it is not shown.

    Attributes:
        kind: `json` is shown as `value`; `none` is none, or none yet; `hidden` may not be seen;
            `too_large` takes more than 16 KiB; `no_json` cannot be shown.
        type: The name of its type in Python.
        size_bytes: How large it is as JSON, where it is too large.
    """

    kind: Literal["json", "none", "hidden", "too_large", "no_json"]
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    type: str = ""
    size_bytes: int = 0


def shown_value(value: object, *, is_open: bool = True) -> ValueDocument:
    """Render a value; one of an inner type that JSON cannot carry is `<its name>` there."""
    if not is_open:
        return ValueDocument("hidden")
    if value is None:
        return ValueDocument("none")
    if isinstance(value, Unreadable):
        return ValueDocument("no_json", type="unknown")
    name = type(value).__name__
    try:
        body = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return ValueDocument("no_json", type=name)
    if len(body) > LARGEST_VALUE:
        return ValueDocument("too_large", type=name, size_bytes=len(body))
    if body == f'"<{name}>"'.encode() and not isinstance(value, str):
        return ValueDocument("no_json", type=name)
    return ValueDocument("json", msgspec.Raw(body), name)


def shown_input(
    value: object, workflow: Workflow[..., Any] | None, *, is_open: bool = True
) -> ValueDocument:
    """Render what a workflow was called with, by the names of its parameters.

    Args:
        value: As `Run.input` has it.
        workflow: What it declares; None where that is not known.
    """
    if not is_open or not isinstance(value, Mapping):
        return shown_value(value, is_open=is_open)
    called: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType]  of DBOS
    args, named = tuple(called.get("args") or ()), dict(called.get("kwargs") or {})
    if workflow is not None:
        try:
            bound = inspect.signature(workflow.function).bind_partial(*args, **named)
            return shown_value(bound.arguments)
        except TypeError:
            pass  # its parameters were others then
    return shown_value({**{str(place): one for place, one in enumerate(args)}, **named})
