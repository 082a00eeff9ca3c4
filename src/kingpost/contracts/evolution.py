"""How a contract may change while its stored events stay readable.

Compatible: a new field with a default, a default for a field that had none, a removed
field, wider bounds, a whole number that becomes a number, a value that may now be missing.
Everything else is refused by name: a stored event would break the new contract, or would
silently mean something else.

An event is stored as it came, so a contract must fit every description that its stream was
written under, not only the last: a removed field is still in the events before.
"""

import math

import msgspec

from kingpost.contracts.contract import Contract, Field, greatest_multiple
from kingpost.contracts.errors import IncompatibleContract
from kingpost.contracts.event import Event

__all__ = ["check_evolution"]


class _Stored(msgspec.Struct):
    name: str
    fields: tuple[Field, ...]


def check_evolution(stored_description: bytes, contract: Contract[Event]) -> None:
    """Check that events stored under an earlier description can be read by `contract`.

    Args:
        stored_description: `Contract.description` as it was when the events were stored.

    Raises:
        IncompatibleContract: They cannot; it names the field.
    """
    stored = {
        field.name: field for field in msgspec.json.decode(stored_description, type=_Stored).fields
    }
    for field in contract.fields:
        earlier = stored.get(field.name)
        if earlier is not None:
            _check_field(contract.name, earlier, field)
        elif field.required:
            raise IncompatibleContract(
                contract.name,
                field.name,
                "is new, required, and absent from the events already stored",
                "give it a default",
            )
    for name, earlier in stored.items():
        if earlier.role != "value" and name not in contract.by_name:
            raise IncompatibleContract(
                contract.name, name, f"was the {earlier.role} and is gone", "put it back"
            )


def _check_field(contract: str, earlier: Field, field: Field) -> None:
    def refuse(problem: str, mend: str) -> IncompatibleContract:
        return IncompatibleContract(contract, field.name, problem, mend)

    if earlier.personal and not field.personal:
        raise refuse(
            "was personal and is not any more: it is encrypted in the events already stored",
            "keep kp.Personal, or take the field away",
        )
    if field.role != earlier.role:
        raise refuse(f"was the {earlier.role} and is now a {field.role}", "keep its role")
    widened = earlier.kind == "integer" and field.kind == "number"
    if field.kind != earlier.kind and not widened:
        raise refuse(
            f"was {earlier.kind} and is now {field.kind}",
            "give the new meaning a new name, with a default",
        )
    if field.dimension != earlier.dimension:
        raise refuse(
            f"had dimension {earlier.dimension} and now has {field.dimension}",
            "give the new vectors a new field, with `| None = None`",
        )
    if not earlier.required and field.required:
        raise refuse("had a default that stored events rely on", "put the default back")
    if not earlier.required and (field.default != earlier.default):
        raise refuse(
            f"had default {earlier.default!r} and now has {field.default!r}: stored events "
            "without a value would change",
            "keep the default",
        )
    if earlier.optional and not field.optional:
        raise refuse("may be missing in stored events", "leave `| None` in place")
    if not widened and field.digits != earlier.digits:
        raise refuse(
            f"had resolution {_step(earlier)} and now has {_step(field)}: sums would differ",
            "give the new resolution a new field",
        )
    if field.choices and not set(earlier.choices or ("any text",)) <= set(field.choices):
        raise refuse("no longer allows a choice that stored events may hold", "put it back")
    if _low(field) > _low(earlier) or _high(field) < _high(earlier):
        raise refuse(
            "has narrower bounds than the events already stored", "widen them, or its resolution"
        )
    if field.bounds.get("min_length", 0) > earlier.bounds.get("min_length", 0):
        raise refuse("asks for more characters than stored events may hold", "lower it again")
    if field.bounds.get("max_length", math.inf) < earlier.bounds.get("max_length", math.inf):
        raise refuse("allows fewer characters than stored events may hold", "widen it again")


def _step(field: Field) -> str:
    return "none" if field.digits is None else f"{10.0**-field.digits:.{field.digits}f}"


def _low(field: Field) -> tuple[float, bool]:
    if "gt" in field.bounds:
        return max((field.bounds["gt"], True), (-_reach(field), False))
    return max(field.bounds.get("ge", -math.inf), -_reach(field)), False


def _high(field: Field) -> tuple[float, bool]:
    if "lt" in field.bounds:
        return min((field.bounds["lt"], False), (_reach(field), True))
    return min(field.bounds.get("le", math.inf), _reach(field)), True


def _reach(field: Field) -> float:
    return greatest_multiple / field.scale
