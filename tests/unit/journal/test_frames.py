"""A commit as bytes, and back."""

from collections.abc import Sequence
from zlib import crc32

import pytest
from msgspec.structs import replace

from kingpost.journal import MAX_COMMIT, BadCommit, Entry
from kingpost.journal.frames import FRAME_HEAD, decode_entries, encode

EVENT = Entry("event", "acme", "transactions", b'{"id": "1"}')
ENTRIES_AT = FRAME_HEAD.size - 8


def payload_of(entries: Sequence[Entry], salt: int = 0) -> bytes:
    return b"".join(encode(entries, 7, 1, salt).buffers)


def test_entries_come_back_as_they_went_in() -> None:
    entries = (EVENT, Entry("events", "", "größe", bytes(range(256)), 40), Entry("x", "", "", b""))

    payload = payload_of(entries)

    assert decode_entries(payload, ENTRIES_AT, len(payload)) == entries


def test_a_commit_takes_as_many_offsets_as_its_entries_count() -> None:
    frame = encode([EVENT, replace(EVENT, count=40)], 7, 1, 2)

    assert (frame.offset, frame.next_offset) == (7, 48)


def test_the_check_depends_on_the_salt_so_no_body_can_pass_for_a_frame() -> None:
    one, other = encode([EVENT], 7, 1, salt=1), encode([EVENT], 7, 1, salt=2)

    assert one.buffers == other.buffers
    assert one.check == crc32(payload_of([EVENT]), 1) != other.check


def test_a_large_body_is_not_copied() -> None:
    body = bytes(100_000)

    frame = encode([EVENT, replace(EVENT, body=body)], 7, 1, salt=1)

    assert any(buffer is body for buffer in frame.buffers)
    assert frame.check == crc32(b"".join(frame.buffers), 1)
    assert frame.size == sum(map(len, frame.buffers)) + 8


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], "no entries"),
        ([replace(EVENT, count=0)], "count of 0"),
        ([replace(EVENT, count=2**32)], "too large"),
        ([replace(EVENT, kind="")], "need a kind"),
        ([replace(EVENT, topic="a\0b")], "no NUL"),
        ([replace(EVENT, tenant="a" * 70_000)], "65,533 bytes"),
        ([replace(EVENT, tenant="\ud800")], "UTF-8"),
        ([replace(EVENT, body=bytes(MAX_COMMIT))], "split it"),
    ],
)
def test_entries_that_make_no_commit_are_refused_with_the_reason(
    entries: list[Entry], reason: str
) -> None:
    with pytest.raises(BadCommit, match=reason):
        encode(entries, 0, 0, 0)


def test_the_largest_commit_fits() -> None:
    room = MAX_COMMIT - encode([replace(EVENT, body=b"")], 0, 0, 0).size

    assert encode([replace(EVENT, body=bytes(room))], 0, 0, 0).size == MAX_COMMIT


def test_many_different_labels_are_not_all_kept() -> None:
    for number in range(10_000):
        entry = Entry("event", f"tenant {number}", "t", b"")
        payload = payload_of([entry])
        assert decode_entries(payload, ENTRIES_AT, len(payload)) == (entry,)
