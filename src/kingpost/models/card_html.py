"""The model card in HTML with plots: a fragment for a page of others, or a page of its own.

The rules: it tells what the Markdown tells, in the same order; every plot has its numbers as
a table beside it; the same facts give the same bytes. The fragment has neither scripts nor
styles of its own, and takes its colours from the page around it; `card_style` dresses it.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from kingpost.models.card_facts import (
    Block,
    Bullets,
    ModelCard,
    Paragraph,
    Section,
    Table,
    card_sections,
)
from kingpost.models.markup import Html, joined, tag
from kingpost.models.measured import Evaluation
from kingpost.models.measures import CurvePoint
from kingpost.models.plots import (
    importance_plot,
    precision_recall_plot,
    reliability_plot,
    score_plot,
    slice_plot,
)

__all__ = [
    "card_page",
    "card_style",
    "render_card_html",
    "render_card_page",
    "render_section_html",
]

_NUMBER = re.compile(r"[-–+\d.,%e ]+( \(chosen\))?|not defined")
_FACTS, _WIDE = 2, 4
_RECALLS = tuple(at / 20 for at in range(1, 21))


def render_card_html(card: ModelCard) -> str:
    """Write a card as `<article class="model-card">`, its sections under `<h2>`."""
    return tag(
        "article",
        tag("p", card.purpose, class_="card-purpose"),
        _figures(card.evaluation),
        *(_section(card, section) for section in card_sections(card)),
        class_="model-card",
        aria_label=f"Model card: {card.name}",
    )


def render_card_page(card: ModelCard) -> str:
    """Write a card as a page that needs no other file."""
    return card_page(card.name, render_card_html(card))


def card_page(name: str, fragment: str) -> str:
    """Make a page of a card's fragment, as from `render_card_html`.

    Args:
        name: The model's, for the title.
    """
    title = f"Model card: {name}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(card_style())),
    )
    top = tag("header", tag("p", "Model card", class_="card-kind"), tag("h1", name))
    body = tag("body", tag("main", top, Html(fragment)), class_="card-page")
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


@cache
def card_style() -> str:
    """Return the style sheet of cards."""
    return (Path(__file__).parent / "card.css").read_text(encoding="utf-8")


def _figures(found: Evaluation) -> Html:
    """Put the numbers that most readers look for first."""
    known = found.calibration
    named = [
        ("Average precision", f"{found.average_precision:.3f}"),
        ("ROC AUC", f"{found.roc_auc:.3f}"),
    ]
    if found.entity_precision is not None:
        entity = found.entity_precision
        named.append((f"Entity precision@{entity.k}", f"{entity.mean:.3f}"))
    named.append(("Calibration error", f"{known.expected_error:.4f}"))
    if found.at_threshold is not None and found.at_threshold.without_model:
        saved = 1 - found.at_threshold.cost / found.at_threshold.without_model
        named.append(("Cost saved", f"{saved:.0%}"))
    named.append(("Rows judged on", f"{found.rows:,}"))
    groups = (tag("div", tag("dt", name), tag("dd", value)) for name, value in named)
    return tag("dl", *groups, class_="card-figures")


def render_section_html(section: Section) -> Html:
    """Write a section that has no plots."""
    return _titled(section.title, [_written(block, section.title) for block in section.blocks])


def _titled(title: str, parts: Sequence[Html]) -> Html:
    identifier = "card-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return tag("section", tag("h2", title, id=identifier), *parts)


def _section(card: ModelCard, section: Section) -> Html:
    plots, blocks = _plots(card, section), list(section.blocks)
    parts = [_written(block, section.title) for block in blocks]
    if plots and _is_short(blocks[-1]):
        parts[-1] = tag("div", parts[-1], *plots, class_="card-beside")
    elif len(plots) > 1:
        parts.append(tag("div", *plots, class_="card-beside"))
    else:
        parts += plots
    return _titled(section.title, parts)


def _is_short(block: Block) -> bool:
    return isinstance(block, Table) and not block.plotted


def _plots(card: ModelCard, section: Section) -> list[Html]:
    """Draw what belongs to a section, each plot with its numbers."""
    found = card.evaluation
    bins = found.calibration.bins
    plotted = next((one for one in section.blocks if isinstance(one, Table) and one.plotted), None)
    if plotted is None:
        return [_quality_plot(card)] if section.title == "Quality" else []
    match plotted.plotted:
        case "importance":
            drawn = importance_plot(card.model.importance)
            return [_figure(drawn, "Share of the gain by feature.", plotted)]
        case "slices":
            drawn = slice_plot(found.slices)
            return [_figure(drawn, "Average precision by slice.", plotted)]
        case _:
            said = (
                "What was observed by what was said, with intervals of 95%, and the rows of "
                "each bin. Axes by the square root, so that small scores lie apart."
            )
            classes = f"How the scores of rows that are {card.positive}, and of others, are spread."
            return [
                _figure(reliability_plot(bins), said, plotted),
                _figure(score_plot(bins, card.positive), classes, _spread(card)),
            ]


def _quality_plot(card: ModelCard) -> Html:
    found = card.evaluation
    share = found.positives / found.rows
    drawn = precision_recall_plot(found.precision_recall, share, found.at_threshold)
    caption = f"Precision by recall. Dashed: the share that is {card.positive}, {share:.2%}."
    return _figure(drawn, caption, _curve(found.precision_recall))


def _curve(points: Sequence[CurvePoint]) -> Table:
    def rows() -> Iterator[tuple[str, ...]]:
        for recall in _RECALLS:
            first = next(one for one in points if one.recall >= recall - 1e-12)
            yield f"{first.recall:.1%}", f"{first.precision:.1%}", f"{first.threshold:.4g}"

    # two steps may have the same first point
    return Table(("recall", "precision", "threshold"), tuple(dict.fromkeys(rows())))


def _spread(card: ModelCard) -> Table:
    rows = tuple(
        (f"{one.low:g} to {one.high:g}", f"{one.positives:,}", f"{one.rows - one.positives:,}")
        for one in card.evaluation.calibration.bins
    )
    return Table(("score", card.positive, f"not {card.positive}"), rows)


def _figure(drawn: Html, caption: str, numbers: Table) -> Html:
    if not drawn:
        return _table(numbers, caption)
    told = tag(
        "details", tag("summary", "The numbers"), _table(numbers, caption), class_="card-numbers"
    )
    return tag("figure", drawn, tag("figcaption", caption), told, class_="card-figure")


def _written(block: Block, title: str) -> Html:
    match block:
        case Paragraph(text):
            return tag("p", text)
        case Bullets(lines):
            return tag("ul", *(tag("li", _with_code(line)) for line in lines))
        case Table(plotted=plotted):
            return Html() if plotted else _table(block, title)


def _with_code(line: str) -> Html:
    parts = line.split("`")
    return joined(tag("code", part) if at % 2 else part for at, part in enumerate(parts))


def _table(table: Table, told: str) -> Html:
    numeric = [
        bool(table.rows) and all(_NUMBER.fullmatch(row[at]) for row in table.rows)
        for at in range(len(table.header))
    ]

    def cell(name: str, text: str, at: int, scope: str | None = None) -> Html:
        return tag(name, text, class_="number" if numeric[at] else None, scope=scope)

    head = tag("tr", *(_heading(text, numeric[at]) for at, text in enumerate(table.header)))
    rows = (tag("tr", *(cell("td", text, at) for at, text in enumerate(row))) for row in table.rows)
    kind = "card-facts" if len(table.header) == _FACTS else None
    written = tag("table", tag("thead", head), tag("tbody", *rows), class_=kind)
    if len(table.header) < _WIDE:
        return written
    name = f"Table: {told.rstrip('.')}"
    return tag("div", written, class_="card-scroll", tabindex=0, role="region", aria_label=name)


def _heading(text: str, numeric: bool) -> Html:
    kind = "number" if numeric else None
    return tag("th", text, class_=kind, scope="col") if text else tag("td", class_=kind)
