"""The few forms of Markdown that the reference pages are made of."""

from collections.abc import Iterable, Sequence

__all__ = ["code", "first_sentence", "page", "table"]

_NOTE = "Written by `make reference` from the code; do not edit it by hand."


def page(title: str, *blocks: str) -> str:
    """Join a page from its blocks, with a line on where it comes from."""
    return "\n\n".join([f"# {title}", _NOTE, *(block for block in blocks if block)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; empty when it has no rows."""
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines])


def code(text: str) -> str:
    """Write a text as code, also when it holds backticks."""
    if "`" not in text:
        return f"`{text}`" if text else ""
    return f"`` {text} ``"


def first_sentence(text: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
