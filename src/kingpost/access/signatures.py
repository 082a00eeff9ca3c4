"""Signatures of tokens by joserfc, of the extra `oidc`; imported when somebody first needs it.

The rule: nothing of joserfc is known outside. A signature counts by an asymmetric key of the
issuer's, with an algorithm of this list that fits the key: no `none`, no shared secret, no
RSA key under 2,048 bits.

Sources: RFC 7515, RFC 7517, RFC 8725 (JSON Web Token best current practices).
"""

import logging
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

__all__ = ["ALGORITHMS", "SigningKey", "is_signed", "read_signing_keys"]

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
)  # fmt: skip
_LEAST_RSA_BITS = 2048
_log = logging.getLogger(__name__)

SigningKey = Key
"""A public key that tokens are signed with."""


class _KeySet(msgspec.Struct):
    keys: list[dict[str, object]]


def read_signing_keys(document: bytes) -> Mapping[str, SigningKey]:
    """Read a JSON Web Key Set, or one public key in PEM; what cannot sign tokens is left out.

    Returns:
        The keys by their ids; one without an id under "".

    Raises:
        ValueError: It is neither.
    """
    if document.lstrip().startswith(b"-----BEGIN"):
        return {"": _from_pem(document)}
    try:
        found = msgspec.json.decode(document, type=_KeySet).keys
    except msgspec.DecodeError as error:
        raise ValueError("neither a key set in JSON nor a key in PEM") from error
    return {kid: key for each in found for kid, key in _from_json(each)}


def is_signed(token: bytes, key: SigningKey) -> bytes | None:
    """Check a compact signature; return what is signed, None where it does not hold."""
    try:
        return jws.deserialize_compact(token, key, algorithms=ALGORITHMS).payload
    except (JoseError, ValueError, TypeError) as error:
        _log.debug("signature_refused", extra={"error": type(error).__name__})
        return None


def _from_pem(document: bytes) -> SigningKey:
    found = load_pem_public_key(document)
    if isinstance(found, RSAPublicKey) and found.key_size >= _LEAST_RSA_BITS:
        return RSAKey.import_key(document)
    if isinstance(found, EllipticCurvePublicKey):
        return ECKey.import_key(document)
    if isinstance(found, Ed25519PublicKey):
        return OKPKey.import_key(document)
    raise ValueError("no public key of RSA (2,048 bits or more), EC or Ed25519")


def _from_json(named: dict[str, object]) -> Iterator[tuple[str, SigningKey]]:
    kind, modulus = named.get("kty"), str(named.get("n", ""))
    is_weak = kind == "RSA" and len(modulus) * 6 < _LEAST_RSA_BITS
    if kind == "oct" or is_weak or named.get("use", "sig") != "sig":
        return
    try:
        key = JWKRegistry.import_key(cast("dict[str, str | list[str]]", named))
    except (JoseError, ValueError, TypeError) as error:  # of a kind that is not known here
        _log.info("token_key_left_out", extra={"error": type(error).__name__})
        return
    yield str(named.get("kid", "")), key
