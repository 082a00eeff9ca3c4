"""Values as they are read back."""

import pickle
from base64 import b64encode
from dataclasses import dataclass

from kingpost.workflows import Unreadable
from kingpost.workflows.runs import readable


@dataclass
class Point:
    x: int


def test_what_was_kept_of_a_value_whose_class_is_gone_is_told_from_texts() -> None:
    for protocol in (2, 3, 4, 5):
        kept = b64encode(pickle.dumps(Point(1), protocol)).decode()
        assert isinstance(readable(kept), Unreadable)
    for value in ("gAme", "gAAA", "text", 7, None, {"a": 1}):
        assert readable(value) == value
