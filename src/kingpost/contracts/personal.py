"""How the personal content of an event lies in its stored body.

The fields that nobody may read for ever are taken out of the JSON object, and what is kept
of them stands in its last member, `~personal`, a name that no field can have. A body without
it was stored in the clear, before any field was declared personal.

What is encrypted, and who opens it, is a `Vault`'s work, which stands on a higher floor; an event
read without the content of a field has a `Withheld` text in its place.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple, Protocol

import msgspec

__all__ = [
    "PersonalContent",
    "PersonalPart",
    "ProtectedContent",
    "Vault",
    "Withheld",
    "split_body",
    "whole_body",
]

_MEMBER = b',"~personal":'
PART_FORMAT = 1


class Withheld(str):
    """The text that stands for personal content that cannot be read, and says why.

    `[erased]`: the key of its subject was destroyed. `[no key]`: it is not here.
    `[encrypted]`: nobody asked for it. `[dropped]`: it was never stored. `hmac-sha256:…`: only its keyed digest was.
    """

    __slots__ = ()
    ERASED: ClassVar[str] = "[erased]"
    ENCRYPTED: ClassVar[str] = "[encrypted]"
    NO_KEY: ClassVar[str] = "[no key]"
    DROPPED: ClassVar[str] = "[dropped]"


class PersonalPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of personal fields.

    Attributes:
        format: Of this member; a newer one is refused.
        key: The id of the subject's key.
        fields: The encrypted fields.
        encrypted: Nonce and AES-256-GCM ciphertext of a JSON object of them.
        digests: Keyed digests by field.
        dropped: Fields of which nothing is kept.
    """

    format: Literal[1]
    key: bytes
    fields: tuple[str, ...]
    encrypted: bytes
    digests: dict[str, str] = {}
    dropped: tuple[str, ...] = ()


class PersonalContent(NamedTuple):
    """What is to be stored of an event.

    Attributes:
        entity: The field that names the subject.
        subject: Whom it names.
        clear: The event without its personal fields, as JSON.
    """

    tenant: str
    contract: str
    entity: str
    subject: str
    clear: bytes
    encrypted: Mapping[str, str | None]
    digested: Mapping[str, str | None]
    dropped: tuple[str, ...]


class ProtectedContent(msgspec.Struct, frozen=True):
    """An event as it is stored, and what a repetition of it is recognised by.

    Attributes:
        digest: Keyed by the subject's key, 32 bytes, over all that is kept of the event.
    """

    body: bytes
    digest: bytes


class Vault(Protocol):
    """Encrypts and opens the personal content of events; for any thread."""

    def protect(self, content: PersonalContent, offset: int) -> ProtectedContent:
        """Make the stored form of an event.

        Args:
            offset: No earlier than where the journal will hold it.

        Raises:
            KingpostError: A key cannot be made or read.
        """
        ...

    def open(self, contract: str, clear: bytes, part: PersonalPart) -> Mapping[str, str | None]:
        """Return the personal fields; what cannot be read is `Withheld`.

        Args:
            clear: The rest of the body, as stored.

        Raises:
            KingpostError: The content was altered.
        """
        ...

    def digest(self, contract: str, clear: bytes, part: PersonalPart) -> bytes | None:
        """Return the digest as `protect` gave it; None when the key is gone.

        Raises:
            KingpostError: The content was altered.
        """
        ...


_part_encoder = msgspec.json.Encoder()
_part_decoder = msgspec.json.Decoder(PersonalPart)


def whole_body(clear: bytes, part: PersonalPart) -> bytes:
    """Put the clear part of a body, a JSON object with a member or more, and the rest together."""
    return clear[:-1] + _MEMBER + _part_encoder.encode(part) + b"}"


def split_body(body: bytes) -> tuple[bytes, PersonalPart | None]:
    """Take a stored body apart; without a personal part it is as it came.

    Raises:
        msgspec.MsgspecError: Its personal part is of a newer format, or damaged.
    """
    # no text of a JSON document holds these bytes: its quotes are escaped
    at = body.find(_MEMBER)
    if at < 0:
        return body, None
    return body[:at] + b"}", _part_decoder.decode(body[at + len(_MEMBER) : -1])
