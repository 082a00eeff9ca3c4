"""Naming a person without saying who: a keyed digest, the same wherever it is shown.

The rule: who has the digest and a guess cannot test the guess; the key stays with the log of
records, where the salt of its leaves does.
"""

import hmac

import msgspec

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory

__all__ = ["SubjectDigests"]

_PURPOSE = b"kingpost subject digest v1"


class SubjectDigests:
    """Makes the digests of a data directory; the key is made when there is none."""

    def __init__(self, where: DataDirectory, *, disk: Disk) -> None:
        salt = where.log("records").keys(disk).salt()
        self._key = hmac.digest(salt, _PURPOSE, "sha256")

    def of(self, tenant: str, entity: str, key: str) -> str:
        """Return the digest of whom a field of a tenant's events names."""
        name = msgspec.json.encode([tenant, entity, key])
        return "hmac-sha256:" + hmac.digest(self._key, name, "sha256").hex()
