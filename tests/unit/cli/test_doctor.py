"""A doctor: what is wrong is told with what to do, and nothing is changed."""

import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kingpost.cli.doctor import (
    Finding,
    door_checks,
    examine,
    installation_checks,
    machine_checks,
    reach_checks,
    worst,
)
from kingpost.cli.doctor.findings import Check, Result, ok, warned
from kingpost.cli.workflow_place import workflow_database, workflows_of
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import DataDirectory, load_application
from kingpost.journal import Entry, Journal, JournalClosed
from kingpost.workflows import Workflows
from tests.local_issuer import local_issuer
from tests.made_certificates import make_certificates
from tests.redis_server import redis_server
from tests.stopped_clock import StoppedClock

LATER_US = 4_000_000_000_000_000


def found(checks: Mapping[str, Check], name: str) -> Finding:
    (finding,) = examine({name: checks[name]})
    return finding


def machine(directory: Path, **settings: object) -> Mapping[str, Check]:
    chosen = Settings(data_dir=directory, **settings)  # pyright: ignore[reportArgumentType]  by name
    return machine_checks(chosen, SystemClock())


def test_a_good_machine_is_well_and_stays_as_it_was(tmp_path: Path) -> None:
    findings = list(examine(machine(tmp_path, port=0)))

    assert {finding.state for finding in findings} <= {"ok", "warn"}
    assert len(findings) == 10
    assert not list(tmp_path.iterdir())


def test_each_failure_says_what_to_do(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    file = tmp_path / "file"
    file.write_text("")

    failures = [
        found(machine(tmp_path, port=taken.getsockname()[1]), "port"),
        found(machine(tmp_path, host="300.1.1.1"), "port"),
        found(machine(file), "data directory"),
        found(machine_checks(Settings(data_dir=tmp_path), StoppedClock(1)), "clock"),
        found(reach_checks(Settings(alert_webhook="http://127.0.0.1:1/x")), "alert webhook"),
        found(reach_checks(Settings(alert_smtp="127.0.0.1:1")), "alert mail"),
        found(installation_checks(Settings(), file, SystemClock()), "application"),
    ]
    taken.close()

    for finding in failures:
        assert finding.state == "fail", finding
        assert finding.mend, finding


@pytest.mark.needs_service("redis")
def test_an_online_store_is_asked_whether_it_can_keep_features() -> None:
    with redis_server() as good, redis_server("--maxmemory-policy", "allkeys-lru") as bad:
        fine, dropping = (
            found(reach_checks(Settings(online_store=one.url)), "online store")
            for one in (good, bad)
        )
    gone = found(reach_checks(Settings(online_store=good.url)), "online store")

    assert (fine.state, fine.found) == ("ok", f"{good.url} answers")
    assert dropping.state == gone.state == "fail"
    assert "noeviction" in dropping.found
    assert "online_store_unreachable" in gone.found


def test_a_mail_server_of_port_465_is_spoken_to_in_tls() -> None:
    try:
        server = socket.create_server(("127.0.0.1", 465))
    except OSError:
        pytest.skip("port 465 is for root, or taken")
    heard: list[bytes] = []

    def hear() -> None:
        caller, _ = server.accept()
        with caller:
            caller.settimeout(2)
            try:
                heard.append(caller.recv(1))
            except TimeoutError:
                heard.append(b"")

    listener = threading.Thread(target=hear)
    listener.start()
    found(reach_checks(Settings(alert_smtp="127.0.0.1:465")), "alert mail")
    listener.join()
    server.close()

    assert heard == [b"\x16"], "a handshake, RFC 8446, 5.1"


def test_a_journal_ahead_of_the_clock_is_a_warning(tmp_path: Path) -> None:
    data = tmp_path / "journal" / "data"
    with Journal.open(data, disk=SystemDisk(), clock=StoppedClock(LATER_US)) as journal:
        journal.append([Entry("event", "acme", "t", b"{}")])

    assert found(machine(tmp_path), "clock").state == "warn"
    checks = installation_checks(Settings(data_dir=tmp_path), None, SystemClock())
    assert found(checks, "journal").found.startswith("1 entries")


def test_a_control_log_that_was_cut_is_told(tmp_path: Path) -> None:
    where, disk = DataDirectory(tmp_path), SystemDisk()
    control = where.control_log(disk=disk, clock=SystemClock())
    for number in range(2):
        control.add_bundle("risk", b'{"number": %d}' % number)
    checks = installation_checks(Settings(data_dir=tmp_path), None, SystemClock())
    assert found(checks, "approvals").state == "ok"
    (segment,) = where.control.glob("*.log")
    segment.unlink()

    finding = found(checks, "approvals")

    assert (finding.state, "does not start" in finding.mend) == ("fail", True)


def test_a_damaged_key_file_is_found_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "access.sqlite"
    path.write_bytes(b"no database" * 1000)

    checks = installation_checks(Settings(data_dir=tmp_path), None, SystemClock())

    assert found(checks, "keys").state == "fail"
    assert path.read_bytes() == b"no database" * 1000


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on() -> None:
    def known() -> Iterator[Result]:
        yield ok("so far")
        raise JournalClosed(Path("x"))

    def unknown() -> Iterator[Result]:
        raise ZeroDivisionError
        yield ok("never")

    def fine() -> Iterator[Result]:
        yield warned("slow", "hurry")

    findings = list(examine({"known": known, "unknown": unknown, "fine": fine}))

    assert [finding.state for finding in findings] == ["ok", "fail", "fail", "warn"]
    assert "journal_closed" in findings[1].found
    assert worst(findings) == "fail"
    assert worst([]) == "ok"


FLOW = """
import kingpost as kp

@kp.workflow
def kept(number: int) -> int:
    return number

@kp.workflow
def gone(number: int) -> int:
    return number
"""


def test_workflows_that_nobody_works_on_or_whose_code_is_gone_are_told(tmp_path: Path) -> None:
    app = tmp_path / "flow_app_of_the_doctor.py"
    app.write_text(FLOW)
    settings = Settings(data_dir=tmp_path / "data")

    def told(file: Path) -> list[Finding]:
        check = installation_checks(settings, file, SystemClock())["workflows"]
        return list(examine({"workflows": check}))

    assert told(app)[-1].found == "none was started yet"
    declared = workflows_of(load_application(app))
    with Workflows(workflow_database(settings), clock=SystemClock()) as workflows:
        workflows.start_with(declared["kept"], [1])
        lost = workflows.start_with(declared["gone"], [1])
    assert "2 have not ended, and no worker 'local' runs" in told(app)[-1].found
    fewer = tmp_path / "fewer_flows_of_the_doctor.py"
    fewer.write_text(FLOW.partition("@kp.workflow\ndef gone")[0])
    waits, left = told(fewer)[-2:]
    assert (waits.state, left.state) == ("warn", "warn")
    assert f"1 wait for code, as {lost}" in waits.found
    assert "1 have not ended" in left.found


@pytest.mark.parametrize(
    ("host", "state"),
    [("127.0.0.1", "ok"), ("::1", "ok"), ("localhost", "ok"), ("0.0.0.0", "warn")],
)
def test_plain_http_on_a_public_address_is_told(host: str, state: str) -> None:
    finding = found(door_checks(Settings(host=host)), "transport")

    assert finding.state == state
    assert not finding.mend or "TLS" in finding.mend


def test_an_issuer_of_tokens_is_asked_for_its_keys(tmp_path: Path) -> None:
    with local_issuer() as issuer:
        good = Settings(jwt_issuer=issuer.url, jwt_audience="kingpost")
        first, second = examine({"t": door_checks(good)["tokens"]})
        (tmp_path / "none.json").write_text('{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}')
        wrong = [
            Settings(jwt_issuer="http://127.0.0.1:1", jwt_audience="a"),
            Settings(jwt_issuer="x", jwt_audience="a", jwt_key_file=str(tmp_path / "gone")),
            Settings(jwt_issuer="x", jwt_audience="a", jwt_key_file=str(tmp_path / "none.json")),
        ]
        findings = [list(examine({"t": door_checks(each)["tokens"]})) for each in wrong]

    assert (first.state, second.state) == ("ok", "ok")
    assert second.found.startswith("3 keys")
    assert [each[-1].state for each in findings] == ["fail"] * 3
    assert "gone" in findings[1][-1].found
    assert "no key that may sign" in findings[2][-1].found


def test_a_certificate_that_ends_soon_or_cannot_be_used_is_told(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, server_names=["localhost"])

    soon = found(door_checks(Settings(tls_certificate=str(made.server))), "transport")
    wrong = found(door_checks(Settings(tls_certificate=str(made.authority))), "transport")

    assert (soon.state, wrong.state) == ("warn", "fail")
    assert "ends in 0 days" in soon.found
    assert "tls_unusable" in wrong.found
