"""The import contract lists every package, and a violation of each of its rules is caught."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = {
    "floors": "Imports go down the floors, never up or sideways",
    "solutions": "Solutions stand on Kingpost, never under it",
    "apart": "Solutions do not know each other",
    "cycles": "No cycles, in a package either",
    "detours": "No module imports the package it lies in",
    "faces": "Packages and solutions import a package from its face",
}
HOUSE = """
    core contracts storage access calls stats journal client subjects records registry tasks workflows jobs proofs
    features models gateway guard knowledge agents monitoring integrations
    decisions serving edge assess console cli
"""


def contract(name: str) -> dict[str, list[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(each for each in contracts if each["id"] == name)


def listed_packages() -> Iterator[str]:
    for floor in contract("floors")["layers"]:
        yield from re.findall(r"\w+", floor)


def write(tree: Path, modules: dict[str, str]) -> None:
    for name, source in modules.items():
        file = tree / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as module:
            module.write(f"{source}\n")


def verdicts(tree: Path) -> dict[str, str]:
    """Run the project's own contract over another tree: rule → KEPT or BROKEN."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tree / "src"), str(tree)])},
        capture_output=True,
        text=True,
        check=False,
    )
    found = {
        rule: verdict
        for rule, name in RULES.items()
        for verdict in re.findall(rf"{re.escape(name)} (KEPT|BROKEN)", run.stdout)
    }
    assert found.keys() == RULES.keys(), run.stdout + run.stderr
    assert (run.returncode == 0) == (set(found.values()) == {"KEPT"}), run.stdout
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Build a house with every package of the design, all of them empty."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    packages = [f"src/kingpost/{package}/__init__" for package in HOUSE.split()]
    solutions = [f"solutions/{name}/__init__" for name in ("fraud", "meters")]
    rest = ["src/kingpost/__init__", "solutions/__init__"]
    write(tmp_path, dict.fromkeys([*packages, *solutions, *rest], ""))
    return tmp_path


def test_every_package_is_listed_in_the_contract() -> None:
    here = {file.parent.name for file in (ROOT / "src/kingpost").glob("*/*.py")}

    assert here <= set(listed_packages())


def test_every_folder_with_modules_is_a_package_so_that_the_contract_sees_it() -> None:
    folders = {file.parent for root in ("src", "solutions") for file in (ROOT / root).rglob("*.py")}

    assert [each for each in folders if not (each / "__init__.py").exists()] == []


def test_the_contract_lists_the_house_of_the_design() -> None:
    assert sorted(listed_packages()) == sorted(HOUSE.split())


def test_imports_under_type_checking_count() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert settings["tool"]["importlinter"]["exclude_type_checking_imports"] is False


def test_a_house_in_order_keeps_every_rule(house: Path) -> None:
    write(
        house,
        {
            "src/kingpost/__init__": "from kingpost.features import window",
            "src/kingpost/features/__init__": "from kingpost.features.windows import window",
            "src/kingpost/features/windows": "import json\nfrom kingpost.core import Clock",
            "src/kingpost/core/__init__": "from kingpost.core.clock import Clock",
            "src/kingpost/core/clock": "import time",
            "solutions/fraud/app": "import kingpost as kp\nfrom kingpost.features import window",
        },
    )

    assert set(verdicts(house).values()) == {"KEPT"}


def test_each_rule_catches_the_import_that_breaks_it(house: Path) -> None:
    under_type_checking = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
    write(
        house,
        {
            "src/kingpost/journal/frames": under_type_checking + "import kingpost.records",
            "src/kingpost/journal/segments": "import solutions.fraud",
            "solutions/fraud/app": "import solutions.meters",
            "src/kingpost/stats/sums": "def total():\n    from kingpost.stats import means",
            "src/kingpost/stats/means": under_type_checking + "from kingpost.stats import sums",
            "src/kingpost/calls/retry": "from kingpost.calls import breaker_state",
            "solutions/meters/app": "from kingpost.features import _windows",
            "src/kingpost/features/_windows": "",
        },
    )

    assert set(verdicts(house).values()) == {"BROKEN"}


@pytest.mark.parametrize(
    ("importer", "imported", "broken"),
    [
        ("features/online", "kingpost.models", "floors"),  # sideways
        ("storage/sqlite", "kingpost.journal", "floors"),  # up
        ("serving/app", "kingpost.core.clock", "faces"),
        ("core/clock", "kingpost.core", "detours"),
        ("features/online", "kingpost", "detours"),
    ],
)
def test_one_wrong_import_breaks_its_own_rule(
    house: Path, importer: str, imported: str, broken: str
) -> None:
    write(house, {"src/kingpost/core/clock": "", f"src/kingpost/{importer}": f"import {imported}"})

    assert [rule for rule, verdict in verdicts(house).items() if verdict == "BROKEN"] == [broken]


def test_solutions_stand_on_their_ground_and_it_on_none_of_them(house: Path) -> None:
    write(
        house,
        {
            "solutions/ground/__init__": "",
            "solutions/ground/tables": "import kingpost as kp",
            "solutions/fraud/data": "from solutions.ground.tables import kp",
        },
    )
    assert verdicts(house)["apart"] == "KEPT"

    write(house, {"solutions/ground/server": "import solutions.meters"})
    assert verdicts(house)["apart"] == "BROKEN"


def test_a_package_that_the_contract_does_not_list_breaks_it(house: Path) -> None:
    write(house, {"src/kingpost/helpers/__init__": ""})

    assert verdicts(house)["floors"] == "BROKEN"
