"""The master key of an installation: it wraps the keys of subjects, and names them.

A file of one line, readable by its owner alone, made when the first is needed. It may be a link
to a secret that is kept elsewhere.
"""

import hmac
import os
import secrets
from pathlib import Path

from kingpost.subjects.errors import MasterKeyUnusable

__all__ = ["MasterKey", "read_master_key"]

_HEAD = "kingpost-master-key-1:"
_SIZE = 32


class MasterKey:
    """What is derived from the master key, each for one use.

    Args:
        secret: 32 random bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self.wrapping = _derived(secret, b"wrap the keys of subjects")
        self.check = _derived(secret, b"tell the right master key")
        self._names = _derived(secret, b"name subjects")
        self._digests = _derived(secret, b"digest personal fields")

    def subject(self, tenant: str, entity: str, name: str) -> bytes:
        """Return the keyed digest by which a subject is known to the key store."""
        text = b"\0".join(part.encode() for part in (tenant, entity, name))
        return _derived(self._names, text)

    def digest(self, tenant: str, value: str) -> str:
        """Return the keyed digest of a field, the same for equal values of a tenant."""
        return _derived(self._digests, f"{tenant}\0{value}".encode()).hex()


def read_master_key(path: Path, *, may_make: bool) -> MasterKey:
    """Read the master key, and make it where there is none and may be none.

    Raises:
        MasterKeyUnusable: It is missing or no master key, or the file system refused.
    """
    try:
        if may_make and not path.exists():
            _make(path)
        text = path.read_text("ascii").strip()
        secret = bytes.fromhex(text.removeprefix(_HEAD))
    except FileNotFoundError:
        raise MasterKeyUnusable(path, "it is not there") from None
    except OSError as error:
        raise MasterKeyUnusable(path, error.strerror or type(error).__name__) from error
    except ValueError:
        raise MasterKeyUnusable(path, "it holds something else") from None
    if not text.startswith(_HEAD) or len(secret) != _SIZE:
        raise MasterKeyUnusable(path, "it holds something else")
    return MasterKey(secret)


def _make(path: Path) -> None:
    """Write a new key as a whole, or leave the one that another process has just made."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, f"{_HEAD}{secrets.token_hex(_SIZE)}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _derived(secret: bytes, use: bytes) -> bytes:
    return hmac.digest(secret, use, "sha256")
