"""What a workflow is called with, read from JSON by the types of its parameters.

The rule: what does not fit is refused before anything is started, and by the name of the
field; what was there is told by type and never by value.
"""

import inspect
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from kingpost.contracts import ContractViolation
from kingpost.workflows import Workflow

__all__ = ["read_input"]

_SAID = re.compile(r"Expected `(?P<expected>.+?)`, got `(?P<found>.+?)`")
_OF_FIELD = re.compile(r"Object (missing required|contains unknown) field `(?P<field>.+)`")
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(?P<field>[^`]*)`$")
_LONGEST = 200
_ANYTHING = (inspect.Parameter.empty, object)


def read_input(
    workflow: Workflow[..., Any], given: Mapping[str, object]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and named arguments for a workflow.

    Args:
        given: Values of JSON by the names of its parameters.

    Raises:
        ContractViolation: A parameter is missing, unknown or of another type.
    """
    try:
        kind, positional = _input_type(workflow)
        read = msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _violation(workflow.name, str(error)) from None
    except (TypeError, RecursionError):
        what = "parameters that JSON can carry; start it from Python"
        raise ContractViolation(workflow.name, "", what, "others") from None
    found = {
        name: value
        for name in kind.__struct_fields__
        if (value := getattr(read, name)) is not msgspec.UNSET
    }
    return tuple(found.pop(name) for name in positional if name in found), found


@lru_cache(maxsize=256)
def _input_type(workflow: Workflow[..., Any]) -> tuple[type[msgspec.Struct], tuple[str, ...]]:
    """Make the type of a workflow's input, and name what it takes by place alone."""
    try:
        signature = inspect.signature(workflow.function, eval_str=True)
    except NameError:  # a type that is known to type checkers alone
        signature = inspect.signature(workflow.function)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for one in signature.parameters.values():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        kind = (
            Any
            if one.annotation in _ANYTHING or isinstance(one.annotation, str)
            else (one.annotation)
        )
        if one.default is one.empty:
            fields.append((one.name, kind))
        else:  # the function knows its default
            fields.append((one.name, kind | msgspec.UnsetType, msgspec.UNSET))
    made = msgspec.defstruct("Input", fields, kw_only=True, forbid_unknown_fields=True)
    positional = tuple(
        one.name for one in signature.parameters.values() if one.kind is one.POSITIONAL_ONLY
    )
    return made, positional


def _violation(workflow: str, said: str) -> ContractViolation:
    place = _PLACE.search(said)
    field = place["field"] if place else ""
    what = said[: place.start()] if place else said
    about = _OF_FIELD.match(what)
    if about is not None:
        inner = f"{field}.{about['field']}" if field else about["field"]
        is_missing = about[1].startswith("missing")
        expected, found = ("a value", "none") if is_missing else ("no such field", "one")
        return ContractViolation(workflow, inner, expected, found)
    types = _SAID.match(what)
    if types is not None:
        return ContractViolation(workflow, field, types["expected"], types["found"])
    if what.startswith("Invalid enum value"):
        return ContractViolation(workflow, field, "one of its choices", "another value")
    return ContractViolation(workflow, field, what.removeprefix("Expected ")[:_LONGEST], "another")
