"""The database of workflows: what it is opened with, and what it says of itself."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from kingpost.workflows import WorkflowDatabase, WorkflowStoreUnfit


def test_a_file_is_durable_and_its_owners_alone(tmp_path: Path) -> None:
    database = WorkflowDatabase(tmp_path / "workflows.sqlite")
    engine = database.engine()
    assert engine is not None
    with engine.connect() as connection:
        settings = [
            connection.execute(sa.text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
        # what DBOS asks of SQLite, which answers NULL before 3.42
        now = connection.execute(sa.text("SELECT unixepoch('subsec')")).scalar()
    engine.dispose()

    assert settings == ["wal", 2, 30_000, 1]
    assert isinstance(now, float | int)
    assert now > 1_700_000_000
    assert stat.S_IMODE((tmp_path / "workflows.sqlite").stat().st_mode) == 0o600


def test_postgresql_is_named_without_its_password() -> None:
    database = WorkflowDatabase("postgresql://kate:hunter2@db.example/work")
    assert database.where == "postgresql://db.example:5432/work"
    assert database.url == "postgresql+psycopg://kate:hunter2@db.example/work"
    assert not database.is_sqlite
    assert database.engine() is None


@pytest.mark.parametrize("address", ["mysql://kate:hunter2@db/work", "hunter2", "postgresql://"])
def test_another_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(WorkflowStoreUnfit, match="postgresql://user:password@host") as refused:
        WorkflowDatabase(address)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("library", ["dbos", "psycopg", "sqlalchemy"])
@pytest.mark.parametrize("name", ["Worker", "Workflows", "WorkflowDatabase"])
def test_without_the_extra_it_is_named(library: str, name: str) -> None:
    code = f"import sys; sys.modules['{library}'] = None; from kingpost.workflows import {name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.splitlines()[-1].endswith(
        "dbos is not installed; run: pip install 'kingpost[workflows]'"
    )
