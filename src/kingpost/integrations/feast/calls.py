"""One call of Feast in a module, and its arguments as constants.

An argument that only running the code would tell is `Dynamic`, with its line.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from kingpost.integrations.feast.model import ValueKind
from kingpost.integrations.feast.names import Dynamic, External, Here, Module, Names, shown
from kingpost.integrations.feast.report import Line

__all__ = ["FeastCall", "dtype_of"]

_KINDS: dict[str, ValueKind] = {
    "Float32": "float",
    "Float64": "float",
    "Int32": "int",
    "Int64": "int",
    "String": "str",
    "Bool": "bool",
    "FLOAT": "float",
    "DOUBLE": "float",
    "INT32": "int",
    "INT64": "int",
    "STRING": "str",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class FeastCall:
    """A call of something of Feast's."""

    node: ast.Call
    module: Module
    names: Names
    positions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what hides an argument.

        Raises:
            Dynamic: Arguments are unpacked, or stand without a name.
        """
        if any(word.arg is None for word in self.node.keywords):
            raise Dynamic(self.at, "its arguments are unpacked from a dict (`**`)")
        if len(self.node.args) > len(self.positions) or any(
            isinstance(one, ast.Starred) for one in self.node.args
        ):
            raise Dynamic(self.at, "it takes arguments without their names")

    @property
    def at(self) -> Line:
        """Where the call stands."""
        return self.module.at(self.node)

    def given(self, *words: str) -> ast.expr | None:
        """Return an argument by the first of its names that is there; None for none."""
        given = {word.arg: word.value for word in self.node.keywords}
        given |= dict(zip(self.positions, self.node.args, strict=False))
        for word in words:
            value = given.get(word)
            if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
                return value
        return None

    def text(self, *words: str, default: str = "") -> str:
        """Return a text.

        Raises:
            Dynamic: It is something else.
        """
        value = self._constant(words, default)
        if not isinstance(value, str):
            raise Dynamic(self.at, f"{words[0]} is not a text")
        return value

    def flag(self, word: str, *, default: bool = False) -> bool:
        """Return a boolean.

        Raises:
            Dynamic: It is something else.
        """
        value = self._constant((word,), default)
        if not isinstance(value, bool):
            raise Dynamic(self.at, f"{word} is neither True nor False")
        return value

    def length(self, word: str) -> timedelta | None:
        """Return a length of time; None when there is none or it is zero.

        Raises:
            Dynamic: It is something else, or negative.
        """
        value = self._constant((word,), None)
        if value is None:
            return None
        if not isinstance(value, timedelta) or value < timedelta(0):
            raise Dynamic(self.at, f"{word} is not a length of time")
        return value or None

    def texts(self, word: str) -> dict[str, str]:
        """Return a dict of texts.

        Raises:
            Dynamic: It is something else.
        """
        value = self._constant((word,), {})
        if not isinstance(value, dict):
            raise Dynamic(self.at, f"{word} is not a dict")
        return {str(key): str(one) for key, one in cast("dict[str, object]", value).items()}

    def elements(self, *words: str) -> Sequence[tuple[ast.expr, Module]]:
        """Return the elements of a list; none when it is not given.

        Raises:
            Dynamic: It is not written out.
        """
        node = self.given(*words)
        return [] if node is None else self.names.elements(node, self.module)

    def about(self) -> tuple[str, ...]:
        """Return what the call says for people: description, owner, tags."""
        lines: list[str] = []
        for word in ("description", "owner"):
            if self.given(word) is not None:
                lines.append(f"{word}: {self.shown(word)}")
        for word in ("tags", "labels"):
            node = self.given(word)
            if node is None:
                continue
            try:
                tags = self.texts(word)
            except Dynamic:
                lines.append(f"{word}: {shown(node)}")
            else:
                lines += [f"{word}: {key} = {value}" for key, value in tags.items()]
        return tuple(lines)

    def shown(self, word: str) -> str:
        """Return an argument for people: its text, or its code when it is computed."""
        node = self.given(word)
        if node is None:
            return ""
        try:
            return str(self.names.value(node, self.module))
        except Dynamic:
            return shown(node)

    def _constant(self, words: Sequence[str], default: object) -> object:
        node = self.given(*words)
        return default if node is None else self.names.value(node, self.module)


def dtype_of(node: ast.expr | None, module: Module, names: Names) -> tuple[ValueKind | None, str]:
    """Return what Kingpost calls a dtype, None when it has no such kind, and Feast's name."""
    if node is None:
        return None, "no dtype"
    try:
        found = names.resolve(node, module)
    except Dynamic:
        return None, shown(node)
    if isinstance(found, External):
        return (_KINDS.get(found.last) if found.is_feast else None), found.last
    return None, _written(found)


def _written(found: Here) -> str:
    return ast.unparse(found.node)[:100] if isinstance(found.node, ast.expr) else found.node.name
