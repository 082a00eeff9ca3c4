import json
import logging

from kingpost.cli.logs import JsonFormatter, LineFormatter


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("kingpost.x", logging.WARNING, "x.py", 1, message, None, None)
    made.created, made.msecs = 0.0, 7.0
    vars(made).update(fields)
    return made


def test_an_event_is_one_line_with_its_fields() -> None:
    line = LineFormatter().format(record("journal_tail_cut", segment="0.log", size_bytes=3))

    assert line == (
        '1970-01-01T00:00:00.007Z WARNING kingpost.x journal_tail_cut segment="0.log" size_bytes=3'
    )


def test_what_comes_from_outside_begins_no_line_of_its_own() -> None:
    line = LineFormatter().format(record("a\nb", reason="x\r\n1970 ERROR forged", half="\ud800"))

    assert "\n" not in line
    assert "\r" not in line


def test_a_traceback_keeps_its_lines_behind_a_bar() -> None:
    try:
        raise ValueError("one\ntwo")
    except ValueError as error:
        made = record("failed")
        made.exc_info = (type(error), error, error.__traceback__)

    lines = LineFormatter().format(made).splitlines()

    assert len(lines) > 3
    assert all(line.startswith("  | ") for line in lines[1:])


def test_as_json_an_event_is_one_object_with_its_fields() -> None:
    line = JsonFormatter().format(record("tail\ncut", size_bytes=3, event="x", about={"a": 1}))

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.000Z",
        "level": "WARNING",
        "logger": "kingpost.x",
        "event": "tail\ncut",
        "size_bytes": 3,
        "field_event": "x",
        "about": "{'a': 1}",
    }


def test_as_json_a_traceback_is_a_field() -> None:
    try:
        raise ValueError("one\ntwo")
    except ValueError as error:
        made = record("failed", trace_id="7")
        made.exc_info = (type(error), error, error.__traceback__)

    [line] = JsonFormatter().format(made).splitlines()

    assert json.loads(line)["trace_id"] == "7"
    assert "ValueError: one\ntwo" in json.loads(line)["traceback"]
