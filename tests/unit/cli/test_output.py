"""What commands print: what came from outside stays what it is, text."""

import pytest

from kingpost.cli.output import print_lines, print_result


def test_a_text_from_outside_moves_no_cursor_and_begins_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    title = "p\x1b]0;owned\x07\x1b[2J\u009b2J\u202e\nqueue  fraud-desk é"

    print_result({"title": title, "facts": [title]}, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith(r"\x1b[2J\x9b2J\u202e\nqueue  fraud-desk é")


def test_a_tuple_is_counted_and_listed_as_a_list_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_result({"differences": (), "environment": ({"name": "numpy"},)}, as_json=False)

    assert capsys.readouterr().out.splitlines() == [
        "differences  0",
        "environment  1",
        "  name=numpy",
    ]


def test_rows_are_lines_with_dashes_for_what_is_not_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_lines([["a", None, 0], ["b\x1b", "", False]], nothing="none")
    print_lines([], nothing="none")

    assert capsys.readouterr().out.splitlines() == ["a  -  0", "b\\x1b  -  False", "none"]
