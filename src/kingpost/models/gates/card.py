"""A model card with what came of the evaluation gates.

The rule: what stands of the gates is made from the results alone, and names their digest, so
a card made again from the same card and results is the same bytes.
"""

from kingpost.models.card import render_blocks
from kingpost.models.card_html import render_section_html
from kingpost.models.gates.results import GateResults, gates_section

__all__ = ["gated_card", "gated_card_html"]

_END = "</article>"


def gated_card(card: str, results: GateResults, digest: str) -> str:
    """Add the gates to a card in Markdown.

    Args:
        card: As training or importing made it.
        digest: Of the results' bytes.
    """
    return card + "\n" + render_blocks([gates_section(results, digest)]) + "\n"


def gated_card_html(card: str, results: GateResults, digest: str) -> str:
    """Add the gates to a card's fragment of HTML; an empty one stays empty.

    Args:
        card: As training made it.
        digest: Of the results' bytes.
    """
    if not card:
        return ""
    section = str(render_section_html(gates_section(results, digest)))
    return card.removesuffix(_END) + section + _END
