"""Writing HTML and SVG: text is escaped unless it is markup already.

The rule: only `tag` and `joined` make markup, so a name from a data set can never become any.
No attribute `style` and no script: what is written may be shown under the strictest content
security policy.
"""

from collections.abc import Iterable
from html import escape

__all__ = ["Html", "joined", "tag"]

Attribute = str | int | float | bool | None

_VOID = frozenset({"col", "hr", "meta"})
_EMPTY_IN_SVG = frozenset({"circle", "line", "path", "polyline", "rect"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Put parts together; those that are no markup are escaped."""
    return Html(between.join(_safe(part) for part in parts))


def tag(name: str, /, *children: str, **attributes: Attribute) -> Html:
    """Write an element.

    Args:
        children: Text, which is escaped, or markup.
        attributes: By name, `_` for `-` and one more at the end where Python needs it; None
            and False leave an attribute out, True writes its name alone.
    """
    written = "".join(
        _attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    if name in _EMPTY_IN_SVG and not children:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'


def _safe(part: str) -> str:
    return part if isinstance(part, Html) else escape(part, quote=False)
