"""Which workflows an application declares, and where they are kept."""

import subprocess
import sys
from pathlib import Path

import pytest

import kingpost as kp
from kingpost.cli.workflow_place import (
    open_workflows,
    schedules_of,
    workflow_database,
    workflows_of,
)
from kingpost.core import Settings
from kingpost.decisions import Application
from kingpost.workflows import BadWorkflow


@kp.workflow
def nightly(due: object) -> object:
    return due


@kp.workflow
def order(number: int) -> int:
    return number


EVERY_NIGHT = kp.schedule("every-night", "0 2 * * *", nightly)


def application(**names: object) -> Application:
    return Application(Path("/srv"), Path("app.py"), {}, {}, {}, names)


def test_a_workflow_counts_under_any_name_and_where_only_a_schedule_names_it() -> None:
    declares = application(take=order, again=order, at_night=EVERY_NIGHT, other=3)

    assert workflows_of(declares) == {"order": order, "nightly": nightly}
    assert schedules_of(declares) == {"every-night": EVERY_NIGHT}


def test_two_of_one_name_are_refused() -> None:
    other = kp.workflow(name="order")(lambda: None)
    with pytest.raises(BadWorkflow, match="two workflows are called so"):
        workflows_of(application(one=order, two=other))

    again = kp.schedule("every-night", "0 3 * * *", nightly)
    with pytest.raises(BadWorkflow, match="two schedules are called so"):
        schedules_of(application(one=EVERY_NIGHT, two=again))


def test_workflows_are_kept_in_the_data_directory_or_where_the_setting_says(
    tmp_path: Path,
) -> None:
    assert workflow_database(Settings(data_dir=tmp_path)).where == str(
        tmp_path / "workflows.sqlite"
    )
    store = "postgresql://ann:secret@db/kingpost"
    shared = workflow_database(Settings(data_dir=tmp_path, workflow_store=store))
    assert shared.where == "postgresql://db:5432/kingpost"


def test_an_application_without_workflows_opens_no_database(tmp_path: Path) -> None:
    assert open_workflows(Settings(data_dir=tmp_path), application()) is None
    assert not list(tmp_path.iterdir())


def test_importing_where_they_are_loads_no_dbos() -> None:
    code = "import sys, kingpost.cli.workflow_place; sys.exit('dbos' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
