"""Who may approve: people by their keys, which no server holds.

The rule: where approvers are named, an approval counts only when one of them signed exactly
this (decision, bundle, reason, time) for exactly this log, after all that counted before it,
and, unless the installation allows that, somebody else made the model. An entry that was
copied, edited, moved from another log or written by whoever holds the disk counts for nothing.

Signatures are Ed25519 (RFC 8032).
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from msgspec import structs

from kingpost.registry.documents import Approval
from kingpost.registry.errors import BadApprovers, BadSigningKey

__all__ = ["Approvers", "JudgedApproval", "SigningKey", "is_same_person"]

_PURPOSE = b"kingpost approval v1\n"
_KEY_BYTES = 32


class JudgedApproval(NamedTuple):
    """An approval, and why it does not count; empty when it does.

    Attributes:
        offset: Where the control log has it; -1 where it is not there yet.
    """

    approval: Approval
    problem: str
    offset: int = -1


class SigningKey:
    """The private key of an approver."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def make(cls) -> "SigningKey":
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path, passphrase: Callable[[], str]) -> "SigningKey":
        """Read a key in PEM (PKCS 8).

        Args:
            passphrase: Asked only when the key needs one.

        Raises:
            BadSigningKey: It cannot be read, is of another kind, or the passphrase is wrong.
        """
        try:
            pem = path.read_bytes()
            secret = passphrase().encode() if b"ENCRYPTED" in pem else None
            key = load_pem_private_key(pem, secret)
        except (OSError, ValueError, TypeError) as error:
            raise BadSigningKey(path, str(error)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadSigningKey(path, "it is no Ed25519 key")
        return cls(key)

    def pem(self, passphrase: str) -> bytes:
        """Write the key in PEM; an empty passphrase leaves it in clear."""
        secret = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)

    @property
    def public(self) -> str:
        """The public key, as `approvers` names it."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def signed(self, approval: Approval, log: str) -> Approval:
        """Return an approval with a signature for a log."""
        signature = base64.b64encode(self._key.sign(_statement(approval, log))).decode()
        return structs.replace(approval, signature=signature)


@dataclass(frozen=True)
class Approvers:
    """Those whose approvals count.

    Attributes:
        keys: The public key of each, by name.
        may_own: Whether somebody may approve a model that they made.
    """

    keys: Mapping[str, Ed25519PublicKey]
    may_own: bool = False

    @classmethod
    def read(cls, text: str, *, may_own: bool = False) -> "Approvers":
        """Read them from a setting, as `ada=<base64>;bob=<base64>`.

        Raises:
            BadApprovers: It cannot be read, or names somebody twice.
        """
        keys: dict[str, Ed25519PublicKey] = {}
        for part in filter(None, map(str.strip, text.split(";"))):
            name, _, encoded = (one.strip() for one in part.partition("="))
            try:
                raw = base64.b64decode(encoded, validate=True)
            except ValueError as error:
                raise BadApprovers(name, f"its key is not base64: {error}") from error
            if not name or len(raw) != _KEY_BYTES:
                raise BadApprovers(name or part, "expected NAME=KEY, a public key of 32 bytes")
            if any(is_same_person(name, known) for known in keys):
                raise BadApprovers(name, "it is named twice")
            keys[name] = Ed25519PublicKey.from_public_bytes(raw)
        return cls(keys, may_own)

    def judge(
        self, approvals: Iterable[Approval], log: str, author_of: Callable[[str], str]
    ) -> Iterator[JudgedApproval]:
        """Say of each approval of a decision, oldest first, whether it counts.

        Args:
            log: Names the control log.
            author_of: Who made the model of a bundle; empty where nobody did.
        """
        last = 0
        for approval in approvals:
            problem = self._problem(approval, log, last) or self.own(
                approval.by, author_of(approval.bundle)
            )
            if not problem:
                last = approval.number
            yield JudgedApproval(approval, problem)

    def own(self, by: str, author: str) -> str:
        """Say what is wrong with one's approving what an author made; empty for nothing."""
        if self.may_own or not is_same_person(by, author):
            return ""
        return f"{by} made the model; somebody else has to approve it"

    def _problem(self, approval: Approval, log: str, last: int) -> str:
        key = self.keys.get(approval.by)
        if key is None:
            return f"{approval.by} is no approver"
        try:
            key.verify(base64.b64decode(approval.signature), _statement(approval, log))
        except (InvalidSignature, ValueError):
            return f"{approval.by} has not signed it" + ("" if approval.signature else " at all")
        if approval.number <= last:
            return f"it is number {approval.number} again, after number {last}"
        return ""


def is_same_person(one: str, other: str) -> bool:
    """Say whether two names are one."""
    return one.strip().casefold() == other.strip().casefold()


def _statement(approval: Approval, log: str) -> bytes:
    plain = msgspec.json.encode(structs.replace(approval, signature=""), order="sorted")
    return _PURPOSE + log.encode() + b"\n" + plain
