"""A directory of parts: whole ones count, the plan is kept, one process fills it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from kingpost.contracts import batch_of
from kingpost.core import ExtraMissing, SystemDisk
from kingpost.decisions.backfill import BackfillChanged, BackfillInUse, PastRequests
from kingpost.decisions.backfill.directory import PartsDirectory
from kingpost.decisions.backfill.on_ray import ray_shards
from kingpost.decisions.backfill.plan import BackfillPlan
from kingpost.features import History
from tests.tiny_app import APPLICATION, fraud

PLAN = BackfillPlan(
    decision="risk", tenant="acme", features="ab" * 32, sources="cd" * 32, version="1", stop=90,
    requests=25, rows_per_part=10,
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> PartsDirectory:
    return PartsDirectory(tmp_path / "out", disk=SystemDisk())


def test_parts_cover_every_request_once() -> None:
    assert [PLAN.rows_of(part) for part in range(PLAN.parts)] == [(0, 10), (10, 20), (20, 25)]
    assert PLAN.over(90, 0).parts == 1


def test_a_plan_is_read_back_and_parts_that_are_there_are_not_missing(
    directory: PartsDirectory,
) -> None:
    with directory.claimed():
        assert directory.plan() is None
        directory.begin(PLAN)
        directory.place_bytes(1, b"whole")

    assert directory.plan() == PLAN
    assert directory.missing(PLAN) == [0, 2]


def test_what_a_killed_run_left_half_written_is_removed(directory: PartsDirectory) -> None:
    with directory.claimed():
        (directory.path / "part-00000.parquet.9.tmp").write_bytes(b"half")
    with directory.claimed():
        assert not list(directory.path.glob("*.tmp"))
        assert directory.missing(PLAN) == [0, 1, 2]


def test_a_second_process_is_kept_away(directory: PartsDirectory) -> None:
    with directory.claimed(), pytest.raises(BackfillInUse), directory.claimed():
        pass


def test_parts_without_a_plan_are_not_guessed_at(directory: PartsDirectory) -> None:
    with directory.claimed():
        directory.place_bytes(0, b"of what?")
        with pytest.raises(BackfillChanged, match=r"no manifest\.json"):
            directory.begin(PLAN)


def test_a_damaged_plan_is_named(directory: PartsDirectory) -> None:
    with directory.claimed():
        (directory.path / "manifest.json").write_text("{")
        with pytest.raises(BackfillChanged, match=r"manifest\.json"):
            directory.plan()


def test_a_journal_that_has_grown_is_the_same_plan_and_another_tenant_is_not() -> None:
    PLAN.check_same(PLAN.over(100, 30), Path("out"))

    with pytest.raises(BackfillChanged, match="the tenant was acme, is other"):
        PLAN.check_same(
            BackfillPlan(
                decision="risk",
                tenant="other",
                features="ab" * 32,
                sources="cd" * 32,
                version="1",
                stop=90,
                requests=25,
                rows_per_part=10,
            ),
            Path("out"),
        )


def test_a_journal_that_is_another_is_refused() -> None:
    with pytest.raises(BackfillChanged, match="the end of the journal was 90, is 80"):
        PLAN.check_journal(PLAN.over(80, 25), Path("out"))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    none = History(batch_of(fraud.request, []), np.empty(0, np.int64))
    past = PastRequests(fraud, none, {}, 0, 0)

    with pytest.raises(ExtraMissing, match=r"kingpost\[ray\]"):
        list(ray_shards(APPLICATION, past, PLAN, [0], 1, threads=1))
