"""The model card in Markdown.

The rule: the same facts give the same text, so that a card can be an artefact by digest.
"""

from collections.abc import Iterator, Sequence

from kingpost.models.card_facts import (
    Block,
    Bullets,
    ModelCard,
    Paragraph,
    Section,
    Table,
    card_sections,
)

__all__ = ["render_blocks", "render_card", "render_sections"]


def render_card(card: ModelCard) -> str:
    """Write a card in Markdown."""
    return render_sections(f"Model card: {card.name}", card.purpose, card_sections(card))


def render_sections(title: str, purpose: str, sections: Sequence[Section]) -> str:
    """Write the sections of a card of any kind in Markdown."""
    return "\n\n".join([f"# {title}", purpose, render_blocks(sections)]) + "\n"


def render_blocks(sections: Sequence[Section]) -> str:
    """Write some sections in Markdown, without an end of line after the last."""
    parts: list[str] = []
    for section in sections:
        parts.append(f"## {section.title}")
        parts += map(_written, section.blocks)
    return "\n\n".join(parts)


def _written(block: Block) -> str:
    match block:
        case Paragraph(text):
            return text
        case Bullets(lines):
            return "\n".join(f"- {line}" for line in lines)
        case Table(header, rows):
            return "\n".join(f"| {' | '.join(line)} |" for line in _lines(header, rows))


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    yield header
    yield ["---"] * len(header)
    yield from rows
