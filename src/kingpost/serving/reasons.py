"""What people write beside what they do: one text, checked one way wherever it is given."""

from kingpost.serving.errors import BadReason

__all__ = ["LONGEST_REASON", "checked_reason"]

LONGEST_REASON = 2000


def checked_reason(reason: str, *, is_required: bool = False) -> str:
    """Return a reason as it is kept.

    Raises:
        BadReason: It cannot be kept.
    """
    text = reason.replace("\r\n", "\n").strip()
    if not text and is_required:
        raise BadReason("it is empty")
    if len(text) > LONGEST_REASON:
        raise BadReason(f"it has {len(text):,} characters")
    if not text.replace("\n", "").replace("\t", "").isprintable():
        raise BadReason("it has characters that cannot be shown")
    return text
