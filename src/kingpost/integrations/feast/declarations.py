"""The declarations that a Feast repository becomes, and their text as a Python module.

Text from the repository reaches the module only as a checked identifier, as a Python
literal or behind a `#`, so that nothing in it can run.
"""

import json
import keyword
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Call",
    "Declarations",
    "EventType",
    "FeatureGroup",
    "NameAllocator",
    "RowFunction",
    "ServiceList",
    "chain_text",
    "identifier",
    "literal",
    "module_text",
]

_RESERVED = frozenset(
    {"Annotated", "annotations", "bool", "declared_at", "float", "int", "kp", "math", "str"}
)
_WIDTH = 96


def identifier(name: str) -> str:
    """Return the nearest name that Python and a declaration can carry."""
    made = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "unnamed"
    if made[0].isdigit():
        made = f"_{made}"
    taken = keyword.iskeyword(made) or keyword.issoftkeyword(made) or made in _RESERVED
    return f"{made}_" if taken else made


def literal(value: str) -> str:
    """Write a text as a Python literal of printable ASCII."""
    return json.dumps(value)


class NameAllocator:
    """Gives out names of the module, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set(_RESERVED)

    def take(self, wanted: str, *others: str) -> str:
        """Return the first of the names that is free, or the first with a number."""
        for name in (wanted, *others):
            made = identifier(name)
            if made not in self._taken:
                self._taken.add(made)
                return made
        number = 2
        while (made := f"{identifier(wanted)}_{number}") in self._taken:
            number += 1
        self._taken.add(made)
        return made

    def take_type(self, wanted: str) -> str:
        """Return a free name for a class, in CamelCase."""
        words = re.split(r"_+", identifier(wanted).strip("_"))
        return self.take("".join(word[:1].upper() + word[1:] for word in words if word))


@dataclass(frozen=True)
class EventType:
    """An event type: its fields with their annotations, and its stream's variable."""

    name: str
    comments: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    stream: str = ""


@dataclass(frozen=True)
class FeatureGroup:
    """A look-up or windows, `variable = stream.by(…)` and so on, as a chain of calls."""

    variable: str
    chain: tuple["Call", ...]


@dataclass(frozen=True)
class Call:
    """A link of a chain: `.over("1d")`; the first one is a name and has no arguments."""

    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowFunction:
    """A feature of one row."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    returns: str
    expression: str
    comments: tuple[str, ...]
    needs_math: bool


@dataclass(frozen=True)
class ServiceList:
    """The features of one model, in a list for `@kp.decision(features=…)`."""

    variable: str
    features: tuple[str, ...]
    comments: tuple[str, ...]


Declaration = EventType | FeatureGroup | RowFunction | ServiceList


@dataclass
class Declarations:
    """All declarations, in an order in which each stands after what it needs."""

    head: list[str] = field(default_factory=list[str])
    body: list[Declaration] = field(default_factory=list[Declaration])
    left_out: list[str] = field(default_factory=list[str])


def module_text(made: Declarations) -> str:
    """Write the declarations as a Python module."""
    annotated = any(
        "Annotated[" in annotation
        for one in made.body
        if isinstance(one, EventType)
        for _, annotation in one.fields
    )
    math = any(isinstance(one, RowFunction) and one.needs_math for one in made.body)
    lines = [*_comments(made.head), ""]
    standard = [
        *(["import math"] if math else []),
        *(["from typing import Annotated"] if annotated else []),
    ]
    if standard:
        lines += [*standard, ""]
    if made.body:
        lines.append("import kingpost as kp")
    previous: Declaration | None = None
    for one in made.body:
        follows = isinstance(previous, FeatureGroup | ServiceList) or (
            isinstance(previous, EventType) and previous.stream
        )
        roomy = isinstance(one, EventType | RowFunction) or not follows
        lines += ["", ""] if roomy else [""]
        lines += _declaration(one)
        previous = one
    if made.left_out:
        lines += ["", "", *_comments(["Not expressed:", "", *made.left_out])]
    return "\n".join(lines) + "\n"


def _declaration(one: Declaration) -> Iterator[str]:
    if not isinstance(one, FeatureGroup):
        yield from _comments(one.comments)
    if isinstance(one, EventType):
        yield f"class {one.name}(kp.Event):"
        for name, annotation in one.fields:
            yield f"    {name}: {annotation}"
        if one.stream:
            yield from ("", "", f"{one.stream} = kp.stream({one.name})")
    elif isinstance(one, FeatureGroup):
        yield f"{one.variable} = {chain_text(one.chain, indent=len(one.variable) + 3)}"
    elif isinstance(one, RowFunction):
        yield "@kp.feature"
        parameters = [f"{name}: {kind}" for name, kind in one.parameters]
        head = f"def {one.name}({', '.join(parameters)}) -> {one.returns}:"
        if len(head) <= _WIDTH:
            yield head
        else:
            yield f"def {one.name}("
            yield from (f"    {parameter}," for parameter in parameters)
            yield f") -> {one.returns}:"
        if len(one.expression) + 11 <= _WIDTH:
            yield f"    return {one.expression}"
        else:
            yield from ("    return (", f"        {one.expression}", "    )")
    else:
        yield f"{one.variable} = ["
        yield from (f"    {_indented(feature)}," for feature in one.features)
        yield "]"


def chain_text(chain: Sequence[Call], *, indent: int) -> str:
    """Write a chain of calls on one line, or a call per line when it is long."""
    first, *calls = chain
    plain = [f".{call.name}({', '.join(call.arguments)})" for call in calls]
    if sum(map(len, plain), len(first.name)) <= _WIDTH - indent:
        return first.name + "".join(plain)
    lines = [f"    {first.name}"]
    for call, text in zip(calls, plain, strict=True):
        if len(text) + 4 <= _WIDTH - 8:
            lines.append(f"    {text}")
        else:
            lines += [f"    .{call.name}(", *(f"        {one}," for one in call.arguments), "    )"]
    return "\n".join(["(", *lines, ")"])


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _comments(texts: Sequence[str]) -> Iterator[str]:
    """Write lines behind `#`; what is not printable is escaped, so that no line ends early."""
    for text in texts:
        for line in text.split("\n"):
            plain = "".join(
                one if one.isprintable() else ascii(one)[1:-1] for one in line.expandtabs(4)
            )
            for part in _wrapped(plain):
                yield f"# {part}".rstrip()


def _wrapped(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())] + "  "
    return textwrap.wrap(
        line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    ) or [""]
