"""TLS of the server: its certificate, those of its callers, and both renewed while it runs.

The rule: a file that was replaced counts for every connection that is made `RELOAD_S` later;
connections that stand go on. What cannot be used is logged, and what was used before stays.
TLS 1.2 and 1.3; nothing is resumed where callers bring certificates, so that each handshake
is looked at with the authorities of its moment.
"""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kingpost.access import Principal
from kingpost.serving.errors import TlsUnusable

__all__ = ["RELOAD_S", "CallerNames", "Tls", "TlsFiles", "certificate_ends", "names_of"]

RELOAD_S = 2
_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class TlsFiles:
    """Files in PEM.

    Attributes:
        certificate: The server's, followed by those between it and its authority.
        key: Its private key; None where it lies in the same file.
        client_ca: The authorities whose certificates callers bring; None asks for none.
        is_client_required: Whether who brings none is turned away.
    """

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None
    is_client_required: bool = True

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files there are."""
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path)


class Tls:
    """What a listening socket speaks TLS with.

    Args:
        caller_of: Finds the header that lets in who brings a certificate; None where
            certificates name nobody.
        protocol: What is spoken over it, by its ALPN name.

    Raises:
        TlsUnusable: A file cannot be read, or is not what it has to be.
    """

    def __init__(
        self,
        files: TlsFiles,
        *,
        caller_of: "CallerNames | None" = None,
        protocol: str = "http/1.1",
    ) -> None:
        self.files, self._protocol = files, protocol
        self._stamp = _stamp(files)
        self._current = self.context = make_context(files, protocol)
        self.context.sni_callback = self._choose
        self.caller_of = caller_of

    def speaking(self, protocol: str) -> "Tls":
        """Return the same for another protocol; its certificates name nobody.

        Raises:
            TlsUnusable: A file was replaced by one that cannot be used.
        """
        return Tls(self.files, protocol=protocol)

    def refresh(self) -> bool:
        """Look whether the files are others now; say whether they are used from here on."""
        try:
            stamp = _stamp(self.files)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self._current = make_context(self.files, self._protocol)
        except TlsUnusable as error:
            _log.error("tls_files_not_reloaded", extra={"reason": str(error)})
            return False
        _log.info("tls_files_reloaded")
        return True

    def _choose(self, connection: object, name: str | None, context: ssl.SSLContext) -> None:
        cast("ssl.SSLObject", connection).context = self._current


class CallerNames:
    """Who brings a certificate, by a name in it.

    Args:
        headers: The header that lets in whoever has each name.
    """

    def __init__(self, headers: Mapping[str, bytes]) -> None:
        self.headers = headers

    @classmethod
    def vouched(
        cls,
        scopes: Mapping[str, tuple[str, ...]],
        tenant: str,
        vouch: Callable[[Principal], bytes],
    ) -> "CallerNames":
        """Make the headers.

        Args:
            scopes: What each name may do.
            vouch: Makes the header that lets a principal in, known to this server alone.
        """
        return cls(
            {
                name: vouch(Principal(f"tls:{name}", tenant, frozenset(listed), name))
                for name, listed in scopes.items()
            }
        )

    def __call__(self, certificate: Mapping[str, object]) -> bytes:
        """Return the header of the first name that is known; empty where none is."""
        known = (self.headers.get(name) for name in names_of(certificate))
        return next((header for header in known if header is not None), b"")


def names_of(certificate: Mapping[str, object]) -> list[str]:
    """Return the names in a certificate: URIs and host names, or where it has neither the common name.

    Args:
        certificate: As from `ssl.SSLSocket.getpeercert`.

    Source: RFC 6125, section 6.4.4: a common name counts only where there are no others.
    """
    others = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    named = [value for wanted in ("URI", "DNS") for kind, value in others if kind == wanted]
    if named:
        return named
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
    return [value for part in subject for kind, value in part if kind == "commonName"]


def make_context(files: TlsFiles, protocol: str = "http/1.1") -> ssl.SSLContext:
    """Read the files.

    Args:
        protocol: What is spoken, by its ALPN name.

    Raises:
        TlsUnusable: One cannot be read, or is not what it has to be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    try:
        # without a function a key with a passphrase would ask for it at the terminal
        context.load_cert_chain(files.certificate, files.key, password=lambda: b"")
    except (OSError, ValueError) as error:
        where = f"{files.certificate}{f' or {files.key}' if files.key else ''}"
        raise TlsUnusable(where, _reason(error)) from error
    if files.client_ca is not None:
        required = ssl.CERT_REQUIRED if files.is_client_required else ssl.CERT_OPTIONAL
        context.verify_mode = required
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ValueError) as error:
            raise TlsUnusable(str(files.client_ca), _reason(error)) from error
    return context


def certificate_ends(files: TlsFiles) -> float | None:
    """Return when the server's certificate ends, seconds UTC; None when it has ended.

    Raises:
        TlsUnusable: A file cannot be read, or is not what it has to be.
    """
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asks.check_hostname = False
    asks.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    answers = make_context(TlsFiles(files.certificate, files.key))
    asks.load_verify_locations(files.certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asks.wrap_bio(back, there)
    server = answers.wrap_bio(there, back, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return None
    told = client.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(told["notAfter"]))) if told else time.time()


def _stamp(files: TlsFiles) -> _Stamp:
    try:
        found = [path.stat() for path in files.paths]
    except OSError as error:
        raise TlsUnusable(str(error.filename), _reason(error)) from error
    return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error)
