"""An application's source as one artefact, and its digest.

The archive is a zip file without compression or dates, so the same sources are the same
bytes on every machine.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["code_digest", "pack_sources", "unpack_sources"]

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def code_digest(sources: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over names and contents, in hex."""
    listed = [(name, hashlib.sha256(sources[name]).hexdigest()) for name in sorted(sources)]
    return hashlib.sha256(msgspec.json.encode(listed)).hexdigest()


def pack_sources(sources: Mapping[str, bytes]) -> bytes:
    """Write sources, by relative path, as one archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(sources):
            member = zipfile.ZipInfo(name, _FIRST_DATE)
            member.create_system = _UNIX
            member.external_attr = 0o600 << 16
            packed.writestr(member, sources[name])
    return archive.getvalue()


def unpack_sources(archive: bytes, directory: Path) -> None:
    """Write the files of an archive into a directory, and none outside it."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(directory)
