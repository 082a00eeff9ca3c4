"""Whom the request of a record names, as digests: by them an erasure finds the rows it concerns.

An erasure names a field and its value, and may name any that is a text or a whole number. So a
row has the digest of each such field of its request; what is encrypted is not among them. They
tell nobody anything that the row does not tell besides, and go with the rest of it.
"""

from hashlib import blake2b

import msgspec

from kingpost.contracts import split_body
from kingpost.journal import Entry

__all__ = ["subject_digest", "subjects_of"]

_REQUESTS = ("event", "request")


def subject_digest(tenant: str, entity: str, key: str) -> int:
    """Return the digest of an entity, 64 bits with a sign, as the tables have it."""
    text = b"\0".join(part.encode() for part in (tenant, entity, key))
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)


def subjects_of(asked: Entry | None) -> list[int] | None:
    """Return the digests of whom a request names; None where the entry is no request."""
    if asked is None or asked.kind not in _REQUESTS:
        return None
    fields = msgspec.json.decode(split_body(asked.body)[0], type=dict[str, object])
    return [
        subject_digest(asked.tenant, name, str(value))
        for name, value in fields.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    ]
