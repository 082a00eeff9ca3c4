"""The keys of a log: the one that signs now, those before it, and how each handed over.

The rule: a key is followed by another only with a hand-over, a note that the old key and
the new one have both signed. Whoever trusts one key can follow the hand-overs to the next;
what earlier keys signed stays verifiable. The private key and the salt lie apart from what
may be shown to anybody.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from kingpost.core import Disk
from kingpost.proofs.errors import BadNote, BadVerifierKey, SigningKeyUnusable
from kingpost.proofs.files import read_whole, write_whole
from kingpost.proofs.notes import ED25519, Note, SigningKey, VerifierKey, parse_note, signed_by

__all__ = ["SALT_BYTES", "KeyRing", "trusted_keys"]

SALT_BYTES = 32
_HANDOVER = "kingpost key hand-over v1"


class KeyRing:
    """The keys of one log; made at first use.

    Args:
        public: Directory of the tree, for everybody.
        secret: Directory of what is nobody else's.
        key_file: Where the private key lies; in `secret` when None.
    """

    def __init__(
        self, public: Path, secret: Path, *, disk: Disk, key_file: Path | None = None
    ) -> None:
        self._public, self._secret, self._disk = public, secret, disk
        self._file = key_file or secret / "signing.key"
        self._is_own = key_file is None

    def salt(self) -> bytes:
        """Return the key of the nonces, made when there is none.

        Raises:
            SigningKeyUnusable: It was cut short.
        """
        path = self._secret / "salt"
        found = read_whole(path, self._disk)
        if not found:
            self._disk.make_directory(self._secret)
            found = os.urandom(SALT_BYTES)
            write_whole(path, found, self._disk)
        if len(found) != SALT_BYTES:
            raise SigningKeyUnusable(path, f"expected {SALT_BYTES} bytes; restore it")
        return found

    def signing(self, origin: str) -> SigningKey:
        """Return the key that signs now; made and published when the log has none yet.

        Raises:
            SigningKeyUnusable: It is missing, unreadable, or not the one published last.
        """
        self._finish_rotation()
        keys = self.verifiers()
        text = read_whole(self._file, self._disk).decode(errors="replace")
        if not text and (keys or not self._is_own):
            reason = "it is missing; restore it, or put the old key back before you rotate"
            raise SigningKeyUnusable(self._file, reason)
        if not text:
            key = SigningKey(origin, ED25519, os.urandom(32))
            self._disk.make_directory(self._secret)
            write_whole(self._file, key.secret().encode(), self._disk)
        else:
            key = self._parsed(text)
        if not keys:
            self._publish([key.verifier])
        elif keys[-1] != key.verifier:
            reason = f"it is not {keys[-1]}, which was published last"
            raise SigningKeyUnusable(self._file, reason)
        return key

    def verifiers(self) -> list[VerifierKey]:
        """Return the public keys of all generations, the newest last."""
        text = read_whole(self._public / "keys", self._disk).decode()
        return [VerifierKey.parse(line) for line in text.splitlines()]

    def handovers(self) -> list[str]:
        """Return the notes by which each key handed over to the next."""
        data = read_whole(self._public / "handovers", self._disk)
        return [text + "\n" for text in data.decode().split("\n\n\n") if text]

    def rotate(self, origin: str) -> tuple[SigningKey, SigningKey]:
        """Make a new key, which signs from here on; return the old one and the new one.

        Raises:
            SigningKeyUnusable: As in `signing`, or the key is kept elsewhere.
        """
        if not self._is_own:
            reason = (
                "the setting tree_key says where it lies, and Kingpost changes nothing there; "
                "unset it, or rotate with a key under the data directory"
            )
            raise SigningKeyUnusable(self._file, reason)
        old = self.signing(origin)
        new = SigningKey(origin, ED25519, os.urandom(32))
        text = f"{_HANDOVER}\n{old.verifier}\n{new.verifier}\n"
        note = text + "\n" + old.sign(text) + new.sign(text)
        write_whole(self._next, new.secret().encode(), self._disk)
        notes = [*self.handovers(), note]
        data = "\n\n\n".join(one.removesuffix("\n") for one in notes)
        write_whole(self._public / "handovers", data.encode(), self._disk)
        self._finish_rotation()
        return old, new

    @property
    def _next(self) -> Path:
        return self._secret / "signing.key.next"

    def _finish_rotation(self) -> None:
        """Do the rest of a rotation that was cut off, or undo what it had begun."""
        text = read_whole(self._next, self._disk).decode(errors="replace")
        if not text:
            return
        new = self._parsed(text).verifier
        handed_to = [parsed[1] for parsed in map(_handover, self.handovers()) if parsed]
        if new in handed_to:
            keys = self.verifiers()
            if new not in keys:
                self._publish([*keys, new])
            self._disk.rename(self._next, self._file)
        else:
            self._disk.remove(self._next)
        self._disk.sync_directory(self._secret)

    def _publish(self, keys: Sequence[VerifierKey]) -> None:
        text = "".join(f"{key}\n" for key in keys)
        write_whole(self._public / "keys", text.encode(), self._disk)

    def _parsed(self, text: str) -> SigningKey:
        try:
            return SigningKey.parse(text)
        except BadVerifierKey as error:
            raise SigningKeyUnusable(self._file, error.reason) from error


def trusted_keys(keys: Sequence[VerifierKey], handovers: Sequence[str]) -> list[VerifierKey]:
    """Return keys, and those that they handed over to; a hand-over that is wrong counts not."""
    trusted = list(keys)
    for note in handovers:
        parsed = _handover(note)
        if parsed is not None and parsed[0] in trusted and parsed[1] not in trusted:
            trusted.append(parsed[1])
    return trusted


def _handover(whole: str) -> tuple[VerifierKey, VerifierKey] | None:
    """Read a hand-over that both keys have signed; None when it is none."""
    try:
        note: Note = parse_note(whole)
        head, old, new = note.text[:-1].split("\n")
        keys = VerifierKey.parse(old), VerifierKey.parse(new)
        if head != _HANDOVER or keys[0].name != keys[1].name:
            return None
        signed = {one.key for one in signed_by(note, keys)}
    except (BadNote, BadVerifierKey, ValueError):
        return None
    return keys if signed == set(keys) else None
