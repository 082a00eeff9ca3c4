"""A Feast repository through the command line, and what it writes through the type checker."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.feast_repositories import CREDIT, DRIVERS, FRAUD, OLD_FORMS, write_repository

REPOSITORIES = {"credit": CREDIT, "drivers": DRIVERS, "fraud": FRAUD, "old_forms": OLD_FORMS}


def import_feast(directory: Path, name: str, *options: str) -> Mapping[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "features", "import-feast", name,
         "--out", f"{name}.py", "--json", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told: Mapping[str, object] = json.loads(done.stdout)
    return told


def test_what_is_written_imports_and_passes_the_strict_type_checker(tmp_path: Path) -> None:
    for name, files in REPOSITORIES.items():
        write_repository(tmp_path / name, dict(files))
        options = ("--resolution", "amount=0.01") if name == "fraud" else ()
        assert import_feast(tmp_path, name, *options)["not_expressed"]

    subprocess.run(
        [sys.executable, "-c", f"import {', '.join(REPOSITORIES)}"], cwd=tmp_path, check=True
    )
    (tmp_path / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["*.py"]}'
    )
    checked = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.startswith("0 errors")
