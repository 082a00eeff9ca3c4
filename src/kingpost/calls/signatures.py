"""Signatures of webhooks, as Standard Webhooks says.

The rule: what is signed is `id.timestamp.body`. A secret tells by its prefix what it does:
`whsec_` signs and verifies with HMAC-SHA256 (`v1`), `whsk_` signs and `whpk_` verifies with
ed25519 (`v1a`); any other text is a key for HMAC as it is. No secret is ever shown.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from kingpost.calls.errors import BadWebhookSecret
from kingpost.core import ExtraMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

__all__ = ["check_secrets", "is_signed_by", "signatures"]

_SHARED, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_KEY_BYTES = 32
_MOST_SIGNATURES = 16


def signatures(secrets: Sequence[str], identifier: str, at_s: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each secret.

    Raises:
        BadWebhookSecret: A secret is not written as it must be, or only verifies.
    """
    signed = _signed(identifier, at_s, body)
    return " ".join(_signature(secret, signed) for secret in secrets)


def is_signed_by(
    secrets: Sequence[str], signature: str, identifier: str, at_s: int, body: bytes
) -> bool:
    """Tell whether one of some signatures is by one of some secrets, in constant time.

    Raises:
        BadWebhookSecret: A secret is not written as it must be, or only signs.
    """
    signed, given = _signed(identifier, at_s, body), signature.split()[:_MOST_SIGNATURES]
    found = False
    for secret in secrets:
        for one in given:
            found |= _is_by(secret, one, signed)
    return found


def check_secrets(secrets: Sequence[str]) -> None:
    """See that secrets can be used.

    Raises:
        BadWebhookSecret: One cannot, or there is none.
    """
    if not secrets:
        raise BadWebhookSecret
    for secret in secrets:
        if not secret or (_decoded(secret) is not None and not _decoded(secret)):
            raise BadWebhookSecret


def _signed(identifier: str, at_s: int, body: bytes) -> bytes:
    return f"{identifier}.{at_s}.".encode() + body


def _signature(secret: str, signed: bytes) -> str:
    if secret.startswith(_PUBLIC):
        raise BadWebhookSecret
    if secret.startswith(_PRIVATE):
        return f"v1a,{base64.b64encode(_private(secret).sign(signed)).decode()}"
    return f"v1,{base64.b64encode(hmac.digest(_shared(secret), signed, sha256)).decode()}"


def _is_by(secret: str, signature: str, signed: bytes) -> bool:
    if secret.startswith(_PRIVATE):
        raise BadWebhookSecret
    if not secret.startswith(_PUBLIC):
        return hmac.compare_digest(_signature(secret, signed).encode(), signature.encode())
    version, _, text = signature.partition(",")
    return version == "v1a" and _is_verified(secret, text, signed)


def _is_verified(secret: str, text: str, signed: bytes) -> bool:
    with _library():
        from cryptography.exceptions import InvalidSignature
    try:
        given = base64.b64decode(text, validate=True)
        _public(secret).verify(given, signed)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    # the last character holds bits that do not count; a changed one is a changed signature
    return base64.b64encode(given).decode() == text


def _decoded(secret: str) -> bytes | None:
    """Decode what is behind a prefix; None without one."""
    for prefix in (_SHARED, _PRIVATE, _PUBLIC):
        if secret.startswith(prefix):
            try:
                return base64.b64decode(secret.removeprefix(prefix), validate=True)
            except (binascii.Error, ValueError) as error:
                raise BadWebhookSecret from error
    return None


def _shared(secret: str) -> bytes:
    decoded = _decoded(secret)
    return secret.encode() if decoded is None else decoded


def _private(secret: str) -> "ed25519.Ed25519PrivateKey":
    with _library():
        from cryptography.hazmat.primitives.asymmetric import ed25519
    return ed25519.Ed25519PrivateKey.from_private_bytes(_key(secret))


def _public(secret: str) -> "ed25519.Ed25519PublicKey":
    with _library():
        from cryptography.hazmat.primitives.asymmetric import ed25519
    return ed25519.Ed25519PublicKey.from_public_bytes(_key(secret))


def _key(secret: str) -> bytes:
    decoded = _decoded(secret) or b""
    if secret.startswith(_PRIVATE) and len(decoded) == 2 * _KEY_BYTES:
        decoded = decoded[:_KEY_BYTES]  # some write the public half behind it
    if len(decoded) != _KEY_BYTES:
        raise BadWebhookSecret
    return decoded


@contextmanager
def _library() -> Generator[None]:
    try:
        yield
    except ImportError as error:
        raise ExtraMissing("cryptography", "webhooks") from error
