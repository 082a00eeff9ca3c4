"""Charts: the same numbers drawn, said and in a table."""

import json

from kingpost.console.charts import Chart, Plotted

START_US = 1_533_124_800_000_000
HOUR_US = 3_600_000_000


def chart(*series: Plotted) -> Chart:
    starts = [START_US + at * HOUR_US for at in range(3)]
    return Chart(
        id="c", title="Rate", unit="share", series=series, summary="said", starts_us=starts,
        step_us=HOUR_US,
    )  # fmt: skip


def test_the_table_has_the_drawn_numbers_and_leaves_out_times_without_any() -> None:
    made = chart(Plotted("a", [0.5, None, 0.25]), Plotted("limit", [0.3, 0.3, 0.3], "limit"))

    assert made.columns == ["Time (UTC)", "a", "limit"]
    assert made.rows == [
        ["2018-08-01 12:00", "50.0%", "30.0%"],
        ["2018-08-01 14:00", "25.0%", "30.0%"],
    ]


def test_limits_alone_are_nothing_to_draw() -> None:
    assert chart(Plotted("a", [None] * 3), Plotted("limit", [0.3] * 3, "limit")).is_empty
    assert not chart(Plotted("a", [None, 0.0, None])).is_empty


def test_the_drawing_cannot_end_the_script_that_holds_it() -> None:
    made = chart(Plotted("</script><b>", [0.5, None, 0.25]))

    assert "<" not in made.drawing
    drawn = json.loads(made.drawing)
    assert drawn["series"][0]["label"] == "</script><b>"
    assert drawn["x"] == [1533124800.0, 1533128400.0, 1533132000.0]
    assert drawn["step"] == 3600.0
