"""A card in HTML tells what the Markdown tells, with plots, and nothing of it can run."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from kingpost.models import (
    CardTable,
    Costs,
    DataSummary,
    ModelCard,
    TrainingSet,
    card_page,
    evaluate,
    render_card,
    render_card_html,
    render_card_page,
)
from kingpost.models.card_facts import Bullets, Paragraph, Table, card_sections
from tests.onnx_models import fitted, logistic_onnx

DAY = 86_400_000_000

rng = np.random.default_rng(5)
truth = rng.random(3000) ** 4
data = TrainingSet(
    ("amount", "count_of_a_very_long_name_of_a_feature"),
    rng.normal(size=(3000, 2)).astype(np.float32),
    (rng.random(3000) < truth).astype(np.float64),
    np.arange(3000, dtype=np.int64),
    np.arange(3000, dtype=np.int64),
)
model = fitted(data, logistic_onnx([0.1, 0.1]))
model = replace(model, importance=(("amount", 0.9), ("count_of_a_very_long_name", 0.1)))
card = ModelCard(
    name="fraud",
    purpose="Says how likely fraud is.",
    positive="fraud",
    model=model,
    training=DataSummary.of(data),
    test=DataSummary.of(data),
    split="learned before, judged after",
    evaluation=evaluate(
        data,
        truth,
        threshold=0.5,
        costs=Costs(10.0, 1.0),
        slices={"large": data.x[:, 0] > 0, "none": data.x[:, 0] > 99},
    ),
    costs="A missed fraud costs 10, a false alarm 1.",
    tables=(CardTable("Compared", ("model", "AUC"), (("other", "0.871"),), "As published."),),
    environment={"numpy": "2.4"},
    limits=("Not for loans.",),
)


def article(of: ModelCard) -> ElementTree.Element:
    """Parse a card as XML, which is stricter than HTML."""
    return ElementTree.fromstring(render_card_html(of))


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def test_every_fact_of_the_markdown_is_told() -> None:
    told = words(article(card))

    for section in card_sections(card):
        assert section.title in told
        for block in section.blocks:
            match block:
                case Paragraph(text):
                    assert text in told
                case Bullets(lines):
                    assert all(line.replace("`", " ").split()[-1] in told for line in lines)
                case Table(header, rows):
                    cells = [cell for row in (header, *rows) for cell in row]
                    assert all(cell in told for cell in cells)
    assert [one.text for one in article(card).iter("h2")] == re.findall(
        r"^## (.*)$", render_card(card), re.MULTILINE
    )


def test_there_is_a_plot_of_each_kind_with_words_and_numbers_for_it() -> None:
    figures = list(article(card).iter("figure"))
    plots = [figure.find("svg") for figure in figures]

    assert [plot.get("class") for plot in plots if plot is not None] == [
        "plot plot-importance",
        "plot plot-precision-recall",
        "plot plot-calibration",
        "plot plot-scores",
        "plot plot-slices",
    ]
    for figure, plot in zip(figures, plots, strict=True):
        assert plot is not None
        named = (plot.get("aria-labelledby") or "").split()
        assert [plot[0].tag, plot[1].tag] == ["title", "desc"]
        assert named == [plot[0].get("id"), plot[1].get("id")]
        assert all(part.text for part in plot[:2])
        assert figure.find("figcaption") is not None
        assert figure.find("details/*//td") is not None or figure.find("details//td") is not None


def test_ids_are_there_once_and_plots_stay_in_their_frame() -> None:
    root = article(card)
    ids = [one.get("id") for one in root.iter() if one.get("id")]

    assert len(ids) == len(set(ids))
    for plot in root.iter("svg"):
        _, _, width, height = map(float, (plot.get("viewBox") or "").split())
        for mark in plot.iter("rect"):
            assert float(mark.get("x") or 0) >= 0
            assert float(mark.get("x") or 0) + float(mark.get("width") or 0) <= width
            assert float(mark.get("y") or 0) + float(mark.get("height") or 0) <= height
        for mark in plot.iter("circle"):
            assert 0 <= float(mark.get("cx") or 0) <= width
            assert 0 <= float(mark.get("cy") or 0) <= height


def test_names_of_the_data_never_become_markup() -> None:
    bad = '<img src=x onerror="alert(1)">&'
    hostile = replace(
        card,
        name=bad,
        purpose=bad,
        positive=bad,
        model=replace(model, importance=((bad, 1.0),)),
        evaluation=evaluate(data, truth, slices={bad: data.x[:, 0] > 0}),
        tables=(CardTable(bad, (bad, "n"), ((bad, "1"),), bad),),
        environment={bad: bad},
        limits=(bad,),
    )

    page = render_card_page(hostile)

    assert "<img" not in page
    assert words(article(hostile)).count("onerror") >= 7


def test_a_strict_content_security_policy_takes_nothing_away() -> None:
    text = render_card_html(card)

    assert "<script" not in text
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r" on[a-z]+=", text)
    assert not re.search(r"(https?:|url\(|href=|src=)", text)


def test_the_same_facts_give_the_same_bytes() -> None:
    other = replace(card, environment=dict(card.environment))

    assert render_card_html(other) == render_card_html(card)


def test_a_page_has_a_title_one_heading_and_its_own_style() -> None:
    page = render_card_page(card)

    assert page == card_page("fraud", render_card_html(card))
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>Model card: fraud</title>" in page
    assert page.count("<h1>") == 1
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("positives", [1, 2999])
def test_a_card_of_almost_one_class_is_still_drawn(positives: int) -> None:
    y = np.zeros(3000)
    y[:positives] = 1
    bare = replace(
        card,
        evaluation=evaluate(replace(data, y=y, entities=None), np.full(3000, 0.2)),
        model=replace(model, importance=()),
        tables=(),
        environment={},
        limits=(),
        costs="",
    )

    root = article(bare)

    assert [one.text for one in root.iter("h2")] == [
        "How it decides",
        "Data",
        "Parameters",
        "Quality",
        "Calibration",
    ]
    assert "Cost saved" not in words(root)


def test_many_features_are_drawn_to_fifteen_and_told_in_full() -> None:
    importance = tuple((f"feature_{at}", 1 / 40) for at in range(40))

    root = article(replace(card, model=replace(model, importance=importance)))
    plot = next(root.iter("svg"))

    assert "25 others together" in words(plot)
    assert len(list(plot.iter("rect"))) == 16
    assert "feature_39" in words(root)
