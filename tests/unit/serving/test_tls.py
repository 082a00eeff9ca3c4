"""TLS: files that are read anew, names in certificates, callers that one of them lets in."""

import os
import ssl
from pathlib import Path

import pytest

from kingpost.access import ApiKeyRefused, KeyRing, Limits, MemoryKeys, Principal
from kingpost.core import rate_of
from kingpost.serving import CallerNames, Tls, TlsFiles, TlsUnusable, certificate_ends
from kingpost.serving.tls import names_of
from tests.made_certificates import Certificates, make_certificates
from tests.tiny_app import FakeClock


def made(directory: Path, *server_names: str) -> Certificates:
    directory.mkdir(exist_ok=True)
    return make_certificates(directory, server_names=list(server_names) or ["localhost"])


def handshake(tls: Tls, authority: Path, client: Path | None = None) -> ssl.SSLObject:
    """Shake hands in memory; return the caller's side."""
    asks = ssl.create_default_context(cafile=authority)
    if client is not None:
        asks.load_cert_chain(client)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = asks.wrap_bio(back, there, server_hostname="localhost")
    server = tls.context.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (caller, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return caller


def replace(file: Path, by: Path) -> None:
    os.replace(by, file)


def test_a_certificate_that_was_renewed_is_used_without_a_restart(tmp_path: Path) -> None:
    old, new = made(tmp_path / "old"), made(tmp_path / "new")
    tls = Tls(TlsFiles(old.server))
    handshake(tls, old.authority)

    assert not tls.refresh()
    replace(old.server, new.server)
    assert tls.refresh()

    handshake(tls, new.authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tls, old.authority)


def test_files_that_cannot_be_used_leave_what_was(tmp_path: Path) -> None:
    files = made(tmp_path)
    tls = Tls(TlsFiles(files.server))

    good = files.server.read_bytes()
    files.server.write_text("neither a certificate nor a key")
    assert not tls.refresh()
    handshake(tls, files.authority)
    files.server.unlink()
    assert not tls.refresh()
    handshake(tls, files.authority)
    files.server.write_bytes(good)
    assert tls.refresh()


def test_an_authority_that_was_taken_out_lets_nobody_in_any_more(tmp_path: Path) -> None:
    mine, theirs = made(tmp_path / "mine"), made(tmp_path / "theirs")
    allowed = tmp_path / "allowed.pem"
    allowed.write_bytes(mine.authority.read_bytes() + theirs.authority.read_bytes())
    tls = Tls(TlsFiles(mine.server, client_ca=allowed))
    handshake(tls, mine.authority, theirs.client)

    allowed.write_bytes(mine.authority.read_bytes())
    assert tls.refresh()

    handshake(tls, mine.authority, mine.client)
    for client in (theirs.client, None):
        with pytest.raises(ssl.SSLError):
            handshake(tls, mine.authority, client)


def test_where_certificates_are_optional_one_of_a_stranger_is_refused_all_the_same(
    tmp_path: Path,
) -> None:
    mine, theirs = made(tmp_path / "mine"), made(tmp_path / "theirs")
    tls = Tls(TlsFiles(mine.server, client_ca=mine.authority, is_client_required=False))

    handshake(tls, mine.authority)
    handshake(tls, mine.authority, mine.client)
    with pytest.raises(ssl.SSLError):
        handshake(tls, mine.authority, theirs.client)


def test_old_versions_of_tls_are_not_spoken(tmp_path: Path) -> None:
    context = Tls(TlsFiles(made(tmp_path).server)).context

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("what", ["certificate", "key", "client_ca"])
def test_a_file_that_cannot_be_used_stops_the_start_and_is_named(tmp_path: Path, what: str) -> None:
    files = made(tmp_path)
    for content in (None, "nonsense"):
        bad = tmp_path / "bad.pem"
        if content:
            bad.write_text(content)
        with pytest.raises(TlsUnusable, match=r"bad\.pem"):
            Tls(
                TlsFiles(
                    bad if what == "certificate" else files.server,
                    bad if what == "key" else None,
                    bad if what == "client_ca" else None,
                )
            )


def test_when_a_certificate_ends_is_known(tmp_path: Path) -> None:
    files = made(tmp_path)

    ends_s = certificate_ends(TlsFiles(files.server))

    assert ends_s is not None
    assert 3500 < ends_s - files.server.stat().st_mtime <= 3700


def test_a_common_name_counts_only_where_there_is_no_other() -> None:
    subject = ((("commonName", "old"),), (("organizationName", "x"),))

    assert names_of({"subject": subject}) == ["old"]
    others = (("DNS", "a.internal"), ("URI", "spiffe://x/a"), ("email", "a@x"))
    assert names_of({"subject": subject, "subjectAltName": others}) == [
        "spiffe://x/a",
        "a.internal",
    ]
    assert names_of({}) == []


def test_a_name_is_let_in_as_itself_and_nobody_can_guess_how() -> None:
    ring = KeyRing(MemoryKeys(), FakeClock(), limits=Limits(requests=rate_of("5/s")))
    callers = CallerNames.vouched({"scorer": ("decide:fraud",)}, "acme", ring.vouch)

    header = callers({"subjectAltName": (("DNS", "scorer"),)})

    assert callers({"subjectAltName": (("DNS", "Scorer"), ("DNS", "x"))}) == b""
    assert ring.check(header) == Principal(
        "tls:scorer", "acme", frozenset({"decide:fraud"}), "scorer", Limits(rate_of("5/s"))
    )
    for wrong in (b"Kingpost-Caller ", header[:-1], header[:-1] + b"x", header.replace(b" ", b"")):
        with pytest.raises(ApiKeyRefused):
            ring.check(wrong)
