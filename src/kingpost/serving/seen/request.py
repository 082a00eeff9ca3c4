"""A request that was answered, as those see it who look on.

The rule: nothing in it says who asked or what about: neither tenant nor principal, neither
header nor body. The record, for whom it is open, says all of that.
"""

from typing import NamedTuple

from kingpost.core import id_text
from kingpost.records import DecisionRecord
from kingpost.serving.http import CallerSpan

__all__ = ["SeenRequest"]


class SeenRequest(NamedTuple):
    """A request and its answer; times in microseconds UTC.

    Attributes:
        route: The template of its path, as `/v1/records/{id}`; empty where it met none.
        code: What it was answered with, `ok` or the code of a problem; empty where only the
            status is known.
        caller: The span that it belongs to, where the caller named one.
        settled_us: When it was known what is answered, and durable.
        record: What was decided; None where nothing was.
        record_id: The id of what is on record; empty where nothing is.
        is_repeat: Whether an earlier request made the record.
    """

    method: str
    route: str
    status: int
    code: str
    trace_id: str
    caller: CallerSpan | None
    arrived_us: int
    settled_us: int
    ended_us: int
    record: DecisionRecord | None = None
    record_id: str = ""
    is_repeat: bool = False

    @property
    def on_record(self) -> str:
        """The id of its record, if there is one."""
        return self.record_id if self.record is None else id_text(self.record.id)
