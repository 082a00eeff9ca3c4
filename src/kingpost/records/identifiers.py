"""The id of a stored record, without reading the rest of it."""

__all__ = ["id_in"]

_KINDS = ("record", "inference")
_ID = b"\xc4\x10"
"""How MessagePack begins 16 bytes."""


def id_in(kind: str, body: bytes) -> bytes | None:
    """Return the id of a decision record or an inference record; None for anything else.

    Both are arrays of a format, below 128, and then the id, in every format.
    """
    if kind not in _KINDS or not body:
        return None
    head = body[0]
    at = {0xDC: 4, 0xDD: 6}.get(head, 2 if head & 0xF0 == 0x90 else 0)
    if not at or body[at : at + 2] != _ID or len(body) < at + 18:
        return None
    return body[at + 2 : at + 18]
