"""Signed notes: a text that anyone can read, and signatures under it.

The formats are C2SP's signed-note and tlog-cosignature. Signatures by keys that are not
known are passed over; one by a known key must be right, and there must be one. Ed25519 is
the only algorithm: as a log's (type 1) and as a witness's (type 4).
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kingpost.proofs.errors import BadNote, BadVerifierKey

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "MAX_NOTE",
    "Note",
    "Signature",
    "Signed",
    "SigningKey",
    "VerifierKey",
    "decoded",
    "is_name",
    "parse_note",
    "signed_by",
]

ED25519 = 1
COSIGNATURE = 4
MAX_NOTE = 65_535
"""The longest note that is read; as long as the longest entry of a log."""

_MOST_SIGNATURES = 100
_DASH = "— "  # U+2014
_SECRET = "PRIVATE+KEY+"


class VerifierKey(NamedTuple):
    """Whose signatures are believed."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that a signature names the key by."""
        head = self.name.encode() + b"\n" + bytes([self.kind])
        return hashlib.sha256(head + self.public).digest()[:4]

    def __str__(self) -> str:
        public = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{public}"

    @staticmethod
    def parse(text: str) -> "VerifierKey":
        """Read `name+hash+base64`.

        Raises:
            BadVerifierKey: It is none, or of a kind that is not known here.
        """
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not is_name(parts[0]):
            raise BadVerifierKey(text, "it has no three parts with + between them")
        public = decoded(parts[2])
        if public is None or len(public) != 33 or public[0] not in (ED25519, COSIGNATURE):
            raise BadVerifierKey(text, "it is not of type 1 or 4, which are Ed25519")
        key = VerifierKey(parts[0], public[0], public[1:])
        if key.id.hex() != parts[1]:
            raise BadVerifierKey(text, "its hash does not belong to its name and key")
        return key

    def is_by(self, signature: bytes, text: bytes) -> bool:
        """Say whether the key has made a signature of a note's text."""
        message = text
        if self.kind == COSIGNATURE:
            if len(signature) != 72:
                return False
            message = cosigned(int.from_bytes(signature[:8]), text)
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key with a name; kept as text, as Go's `note` package keeps it."""

    def __init__(self, name: str, kind: int, seed: bytes) -> None:
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, kind, self._key.public_key().public_bytes_raw())

    @staticmethod
    def parse(text: str) -> "SigningKey":
        """Read a key as `secret` gives it.

        Raises:
            BadVerifierKey: It is none; the text is not shown.
        """
        parts = text.strip().removeprefix(_SECRET).split("+", 2)
        secret = decoded(parts[2]) if len(parts) == 3 else None
        if secret is None or len(secret) != 33 or secret[0] not in (ED25519, COSIGNATURE):
            raise BadVerifierKey("…", "expected a private key, PRIVATE+KEY+name+hash+base64")
        key = SigningKey(parts[0], secret[0], secret[1:])
        if key.verifier.id.hex() != parts[1]:
            raise BadVerifierKey("…", "its hash does not belong to its name and key")
        return key

    def secret(self) -> str:
        """Write the key itself; keep it to yourself."""
        kept = base64.b64encode(bytes([self.verifier.kind]) + self._seed).decode()
        return f"{_SECRET}{self.verifier.name}+{self.verifier.id.hex()}+{kept}\n"

    def sign(self, text: str, *, at_s: int = 0) -> str:
        """Return the signature line under a note's text.

        Args:
            at_s: POSIX time, for a cosignature.
        """
        message, head = text.encode(), b""
        if self.verifier.kind == COSIGNATURE:
            message, head = cosigned(at_s, message), at_s.to_bytes(8)
        signature = self.verifier.id + head + self._key.sign(message)
        return f"{_DASH}{self.verifier.name} {base64.b64encode(signature).decode()}\n"


class Signature(NamedTuple):
    """One line under a note."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A note, not yet verified; `whole` is `text`, an empty line and the signatures."""

    text: str
    signatures: Sequence[Signature]
    whole: str


class Signed(NamedTuple):
    """A key that has signed, and when, if it says so."""

    key: VerifierKey
    at_s: int | None


def parse_note(whole: str) -> Note:
    """Read a note; nothing is verified.

    Raises:
        BadNote: It is none.
    """
    if len(whole.encode()) > MAX_NOTE or any(ord(one) < 32 and one != "\n" for one in whole):
        raise BadNote("it is too long, or has control characters")
    text, found, lines = whole.rpartition("\n\n")
    if not found or not lines.endswith("\n"):
        raise BadNote("it has no text, empty line and signatures, each line ended")
    signatures: list[Signature] = []
    for line in lines[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        signature = decoded(encoded)
        if not line.startswith(_DASH) or not is_name(name) or not signature or len(signature) < 5:
            raise BadNote(f"{line!r} is no signature")
        signatures.append(Signature(name, signature[:4], signature[4:]))
    if len(signatures) > _MOST_SIGNATURES:
        raise BadNote(f"it has more than {_MOST_SIGNATURES} signatures")
    return Note(text + "\n", signatures, whole)


def signed_by(note: Note, keys: Sequence[VerifierKey]) -> list[Signed]:
    """Return the keys that have signed a note.

    Raises:
        BadNote: None of them has, or a signature by one of them is wrong.
    """
    known = {(key.name, key.id): key for key in keys}
    found: list[Signed] = []
    text = note.text.encode()
    for name, key_id, signature in note.signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not key.is_by(signature, text):
            raise BadNote(f"the signature by {name!r} is wrong")
        at_s = int.from_bytes(signature[:8]) if key.kind == COSIGNATURE else None
        found.append(Signed(key, at_s))
    if not found:
        raise BadNote("nobody who is trusted has signed it")
    return found


def cosigned(at_s: int, text: bytes) -> bytes:
    """Return what a witness signs."""
    return f"cosignature/v1\ntime {at_s}\n".encode() + text


def is_name(name: str) -> bool:
    """Say whether a text can name a key or a log."""
    return bool(name) and not any(one.isspace() or one == "+" for one in name)


def decoded(text: str) -> bytes | None:
    """Read base64 that is exactly what encoding gives; else None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None
