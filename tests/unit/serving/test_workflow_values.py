"""Any Python value as JSON: what is shown of it, and what never."""

from dataclasses import dataclass

import pytest

from kingpost.serving import shown_input, shown_value
from kingpost.serving.workflow_values import LARGEST_VALUE
from kingpost.workflows import Unreadable
from tests.workflow_app import order


@dataclass
class Point:
    x: int
    y: object


class Secret:
    def __repr__(self) -> str:
        return "hunter2"

    __str__ = __repr__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, b"3"),
        ("text", b'"text"'),
        ([1, {"a": None}], b'[1,{"a":null}]'),
        ({1: 2}, b'{"1":2}'),
        (float("nan"), b"null"),
        (Point(1, 2), b'{"x":1,"y":2}'),
        ([Secret()], b'["<Secret>"]'),
        (Point(1, Secret()), b'{"x":1,"y":"<Secret>"}'),
        ("<str>", b'"<str>"'),
        ({(1, 2): 3}, b'{"<tuple>":3}'),
    ],
)
def test_what_json_can_carry_is_shown(value: object, shown: bytes) -> None:
    found = shown_value(value)

    assert (found.kind, bytes(found.value or b"")) == ("json", shown)


def recursive() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


@pytest.mark.parametrize("value", [Secret(), ValueError("hunter2"), recursive(), "half \ud800"])
def test_of_what_json_cannot_carry_the_type_is_told_and_no_text(value: object) -> None:
    found = shown_value(value)

    assert (found.kind, found.type) == ("no_json", type(value).__name__)
    assert "hunter2" not in repr(found)


def test_what_was_kept_of_a_value_whose_class_is_gone_is_not_shown() -> None:
    assert shown_value(Unreadable()).kind == "no_json"
    assert shown_value("gAme").kind == "json"


def test_a_large_value_is_measured_only() -> None:
    found = shown_value("x" * LARGEST_VALUE)

    assert (found.kind, found.type, found.size_bytes) == ("too_large", "str", LARGEST_VALUE + 2)


def test_what_is_hidden_and_what_is_none_are_told_apart() -> None:
    assert shown_value(None).kind == "none"
    assert shown_value(3, is_open=False).kind == "hidden"
    assert shown_input({"args": (1,), "kwargs": {}}, order, is_open=False).kind == "hidden"


def test_an_input_has_the_names_of_the_parameters_where_they_still_fit() -> None:
    called = {"args": (1, "ann"), "kwargs": {"vip": True}}
    found = shown_input(called, order)
    assert bytes(found.value or b"") == b'{"amount":1,"customer":"ann","vip":true}'

    others: dict[str, object] = {"args": (1, 2, 3, 4, 5), "kwargs": {}}
    assert bytes(shown_input(others, order).value or b"").startswith(b'{"0":1,"1":2')
    assert bytes(shown_input(called, None).value or b"") == b'{"0":1,"1":"ann","vip":true}'
