"""What commands print: what came from outside stays what it is, text."""

import pytest

from kingpost.cli.output import print_result


def test_a_text_from_outside_moves_no_cursor_and_begins_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    title = "p\x1b]0;owned\x07\x1b[2J\u009b2J\u202e\nqueue  fraud-desk é"

    print_result({"title": title, "facts": [title]}, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith(r"\x1b[2J\x9b2J\u202e\nqueue  fraud-desk é")
