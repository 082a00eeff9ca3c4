"""Text becomes markup only through `tag`."""

from kingpost.models.markup import Html, joined, tag


def test_text_and_attributes_are_escaped_and_markup_is_not() -> None:
    inner = tag("b", "<script>&")

    written = tag("p", "1 < 2 ", inner, aria_label='say "no" <b>')

    assert written == (
        '<p aria-label="say &quot;no&quot; &lt;b&gt;">1 &lt; 2 <b>&lt;script&gt;&amp;</b></p>'
    )


def test_parts_put_together_stay_safe() -> None:
    assert joined([Html("<i>"), "<i>"], " & ") == "<i> & &lt;i&gt;"


def test_attributes_are_left_out_named_alone_or_rounded() -> None:
    assert tag("td", class_=None, hidden=False) == "<td></td>"
    assert tag("details", open=True) == "<details open></details>"
    assert tag("rect", x=1.0, y=0.3333, stroke_width=2) == '<rect x="1" y="0.33" stroke-width="2"/>'
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
