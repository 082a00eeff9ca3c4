"""Reading a contract from an event type, once, when the type is first used.

A declaration that no contract can be made of is an error that names the line and the mend.
"""

import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, TypeVar

import msgspec

from kingpost.contracts.contract import Contract, Field, FieldRole, Kind, moment_from
from kingpost.contracts.errors import BadContract
from kingpost.contracts.event import (
    Dimension,
    Event,
    Personal,
    Policy,
    Resolution,
    Role,
    SubjectMark,
    Vector,
)
from kingpost.contracts.instant import Instant

__all__ = ["contract_of"]

E = TypeVar("E", bound=Event)

_KINDS: dict[type, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    Instant: "time",
}


def contract_of(event: type[E]) -> Contract[E]:
    """Read the contract from an event type.

    Raises:
        BadContract: The type has no key or event time, or a field of a type that no
            contract can carry.
    """
    known = event.__dict__.get("_kingpost_contract")
    if isinstance(known, Contract):
        return typing.cast("Contract[E]", known)
    fields = tuple(_fields_of(event))
    for role, least, word, mend in (
        ("key", 1, "one field marked kp.Key", "mark what identifies an event: `id: kp.Key[str]`"),
        ("event_time", 1, "one kp.EventTime field", "say when it happened: `at: kp.EventTime`"),
        ("known_time", 0, "one kp.KnownTime field, or none", "say once when it became known"),
    ):
        marked = [field.name for field in fields if field.role == role]
        if not least <= len(marked) <= 1:
            found = ", ".join(marked) or "none"
            raise BadContract(
                event.__name__, f"needs exactly {word}, has {found}", mend, event.declared_at
            )
    _check_subject(event, fields)
    contract = Contract(_snake(event.__name__), event, fields, event.declared_at)
    event._kingpost_contract = contract  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]: a cache on the class it describes
    return contract


def _check_subject(event: type[Event], fields: tuple[Field, ...]) -> None:
    """See that personal fields are of one subject, and that a subject has some."""
    subjects = [field.name for field in fields if field.is_subject]
    personal = [field.name for field in fields if field.personal]
    if personal and len(subjects) != 1:
        found = ", ".join(subjects) or "none"
        raise BadContract(
            event.__name__,
            f"has personal fields ({', '.join(personal)}) and needs exactly one kp.Subject, has {found}",
            "say whom they are about: `customer: kp.Subject[str]`",
            event.declared_at,
        )
    if subjects and not personal:
        raise BadContract(
            event.__name__,
            f"names a subject ({', '.join(subjects)}) and has no personal field",
            "mark one, as `Annotated[str, kp.Personal()]`, or leave kp.Subject away",
            event.declared_at,
        )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _fields_of(event: type[Event]) -> Iterator[Field]:
    hints = typing.get_type_hints(event, vars(sys.modules[event.__module__]), include_extras=True)
    for declared in msgspec.structs.fields(event):
        hint = hints[declared.name]

        def wrong(problem: str, mend: str, name: str = declared.name) -> BadContract:
            return BadContract(event.__name__, f"field {name!r} {problem}", mend, event.declared_at)

        field = _field_of(declared, hint, wrong)
        try:
            if field.required:
                msgspec.json.Decoder(hint, dec_hook=moment_from)
            else:
                msgspec.convert(field.default, hint)
        except TypeError as error:
            problem = str(error).partition(" - ")[0]
            raise wrong(
                f"has a bound it cannot have: {problem}",
                "give an int whole bounds, a number Range, a text Length",
            ) from None
        except msgspec.ValidationError as error:
            raise wrong(
                f"has a default that breaks its own declaration: {error}",
                "give it a default that is allowed",
            ) from None
        yield field


def _field_of(
    declared: msgspec.structs.FieldInfo, hint: object, wrong: Callable[[str, str], BadContract]
) -> Field:
    bare, marks = _unwrap(hint)
    optional = False
    if isinstance(bare, types.UnionType) or typing.get_origin(bare) is typing.Union:
        members = [part for part in typing.get_args(bare) if part is not type(None)]
        if len(members) != 1:
            raise wrong("has a union type", "use one type, or one type `| None`")
        optional = len(members) < len(typing.get_args(bare))
        bare, inner = _unwrap(members[0])
        marks = (*marks, *inner)
    choices: tuple[str, ...] = ()
    if typing.get_origin(bare) is Literal and all(
        isinstance(choice, str) for choice in typing.get_args(bare)
    ):
        choices, bare = typing.get_args(bare), str
    kind: Kind | None = "vector" if bare == Vector else None
    if isinstance(bare, type):
        kind = _KINDS.get(bare)
    if kind is None:
        raise wrong(
            f"has type {getattr(bare, '__name__', bare)}",
            "a field is str, int, float, bool, a Literal of texts, kp.EventTime or kp.Vector",
        )
    roles: list[FieldRole] = [mark.name for mark in marks if isinstance(mark, Role)]
    role = roles[0] if roles else "value"
    if role == "key" and (kind not in ("text", "integer") or optional):
        raise wrong("is the key", "a key is a str or an int and never None")
    if role in ("event_time", "known_time") and optional:
        raise wrong("is a time that may be None", "leave `| None` away")
    if kind == "time" and role == "value":
        raise wrong("is a time without a role", "mark it kp.EventTime or kp.KnownTime")
    digits = next((mark.digits for mark in marks if isinstance(mark, Resolution)), None)
    if digits is not None and kind != "number":
        raise wrong(f"is {kind} and has a resolution", "only a float takes kp.Resolution")
    if kind in ("integer", "boolean"):
        digits = 0
    policy = _policy(kind, role, choices, marks, wrong)
    is_subject = any(isinstance(mark, SubjectMark) for mark in marks)
    if is_subject and (kind not in ("text", "integer") or optional or policy):
        raise wrong("is the subject", "a subject is a str or an int, never None and not personal")
    default = declared.default
    if kind == "vector" and default not in (None, msgspec.NODEFAULT):
        raise wrong("is a vector and has a default", "its default is None, or it has none")
    if role != "value" and default is not msgspec.NODEFAULT:
        raise wrong(f"is the {role} and has a default", "every event brings its own")
    if declared.default_factory is not msgspec.NODEFAULT:
        raise wrong("has a default factory", "give it a plain default value")
    return Field(
        name=declared.name,
        kind=kind,
        role=role,
        digits=digits,
        optional=optional,
        required=default is msgspec.NODEFAULT,
        default=None if default is msgspec.NODEFAULT else default,
        bounds=_bounds(marks) | _dimension(kind, marks, wrong),
        choices=choices,
        personal=policy,
        is_subject=is_subject,
    )


def _policy(
    kind: Kind,
    role: FieldRole,
    choices: tuple[str, ...],
    marks: tuple[object, ...],
    wrong: Callable[[str, str], BadContract],
) -> Policy | None:
    """Return what is stored of a personal field; None for another."""
    found = [mark for mark in marks if isinstance(mark, Personal) or mark is Personal]
    if not found:
        return None
    mark = found[0]
    if len(found) != 1 or not isinstance(mark, Personal):
        raise wrong("is not marked once with kp.Personal()", "write `kp.Personal()`, once")
    if mark.policy not in typing.get_args(Policy):
        raise wrong(f"has the personal policy {mark.policy!r}", "use 'encrypt', 'digest' or 'drop'")
    if role != "value":
        raise wrong(f"is the {role} and personal", "the journal needs it in the clear: use an id")
    if kind != "text" or choices:
        raise wrong(
            f"is {'a choice' if choices else kind} and personal",
            "only a str can be personal; what a model takes is recorded with its answer",
        )
    return mark.policy


def _unwrap(hint: object) -> tuple[object, tuple[object, ...]]:
    if typing.get_origin(hint) is Annotated:
        bare, *marks = typing.get_args(hint)
        inner, more = _unwrap(bare)
        return inner, (*marks, *more)
    return hint, ()


def _dimension(
    kind: Kind, marks: tuple[object, ...], wrong: Callable[[str, str], BadContract]
) -> dict[str, float]:
    """Return the dimension of a vector as bounds of its length."""
    sizes = [mark.size for mark in marks if isinstance(mark, Dimension)]
    if kind != "vector":
        if sizes:
            raise wrong(f"is {kind} and has a dimension", "only a kp.Vector takes kp.Dimension")
        return {}
    if len(sizes) != 1 or any(isinstance(mark, msgspec.Meta) for mark in marks):
        raise wrong(
            "is a vector and needs its dimension, once and alone",
            "say how many numbers it has: `Annotated[kp.Vector, kp.Dimension(384)]`",
        )
    return {"min_length": sizes[0], "max_length": sizes[0]}


def _bounds(marks: tuple[object, ...]) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for mark in marks:
        if isinstance(mark, msgspec.Meta):
            for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
                if (limit := getattr(mark, name)) is not None:
                    bounds[name] = limit
    return bounds
