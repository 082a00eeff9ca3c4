"""A disk that fills up, or takes no writes, under load: refused, kept, and gone on with."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kingpost.calls import LoadReport
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import Load, ServedShop, order, recorded, until
from tests.small_disk import Filler, remount, runs_in_a_namespace, small_disk

MiB = 1 << 20
NO_STORE = ("database_unreadable", "record_search_failed", "storage_failed", "storage_full")


@pytest.fixture(scope="module")
def shop(
    prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    directory = tmp_path_factory.mktemp("shop")
    yield directory, prepared_shop.copied(directory)


def copied(shop: Path, directory: Path) -> None:
    shutil.copy(shop / "shop_app.py", directory)
    shutil.copytree(shop / "data", directory / "data", dirs_exist_ok=True)


def acknowledged(*reports: LoadReport) -> dict[str, object]:
    return {
        told["id"]: told["answer"]
        for report in reports
        for answer in report.answers
        if answer.status == 200
        for told in [json.loads(answer.body)]
    }


def assert_all_is_there(directory: Path, answered: dict[str, object]) -> None:
    records = recorded(directory)
    assert {key: records.get(key) for key in answered} == answered
    assert kingpost(directory, "verify", "--json")["different"] == 0


def test_a_full_disk_is_a_pause_and_no_restart(
    shop: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if runs_in_a_namespace(request, tmp_path):
        return
    source, secret = shop
    with small_disk(tmp_path / "data", 96 * MiB) as data:
        copied(source, tmp_path)
        filler = Filler(data)
        with ServedShop(tmp_path, secret) as server:
            first = json.loads(server.decide(order("first")).content)
            reports: list[LoadReport] = []
            for run in range(2):
                load = Load(server, f"r{run}")
                load.go_on()
                while server.is_ready():
                    filler.fill()
                load.go_on()

                refused = server.decide(order(f"refused-{run}"))
                assert refused.status_code == 503
                assert refused.json()["code"] == "journal_full"
                assert int(refused.headers["retry-after"]) > 0
                assert server.client.get("/v1/decisions").status_code == 200
                # the record lies in the journal; its reviews in a database that may not open
                record = server.client.get(f"/v1/records/{first['id']}")
                assert record.status_code == 200 or record.json()["code"] in NO_STORE
                assert_commands_say_that_it_is_full(tmp_path)

                filler.free()
                until(server.is_ready, "ready again")
                load.go_on()
                reports.append(load.stop())
                assert server.decide(order(f"refused-{run}")).status_code == 200
            assert server.end() == 0
        log = server.log.read_text()
        assert log.count("serving_recovered") == 2
        assert "unexpected_error" not in log
        for report in reports:
            assert report.complete
            assert set(report.statuses()) == {200, 503}
        assert_all_is_there(tmp_path, acknowledged(*reports))


def assert_commands_say_that_it_is_full(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", "data", "keys", "create"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error ["), done.stderr
    assert "full" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_becomes_read_only_is_a_pause_too(
    shop: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if runs_in_a_namespace(request, tmp_path):
        return
    source, secret = shop
    partition = tmp_path / "data" / "journal" / "data"
    with small_disk(partition, 32 * MiB):
        copied(source, tmp_path)
        with ServedShop(tmp_path, secret) as server:
            load = Load(server, "r")
            load.go_on()
            filler = Filler(partition)
            while server.is_ready():
                filler.fill()
            # nothing has it open for writing now: it can change under the server
            until(lambda: is_remounted(partition, "ro,size=512m"), "read-only")
            until(lambda: "Read-only" in server.log.read_text(), "it has met the read-only disk")
            assert server.decide(order("refused")).status_code == 503
            assert not server.is_ready()

            remount(partition, "rw,size=512m")
            until(server.is_ready, "ready again")
            assert server.decide(order("refused")).status_code == 200
            report = load.stop()
            assert server.end() == 0
        assert set(report.statuses()) == {200, 503}
        assert_all_is_there(tmp_path, acknowledged(report))


def is_remounted(directory: Path, options: str) -> bool:
    try:
        remount(directory, options)
    except subprocess.CalledProcessError:
        return False
    return True
