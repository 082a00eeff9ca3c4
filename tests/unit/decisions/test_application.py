from pathlib import Path

import pytest

from kingpost.core import KingpostError
from kingpost.decisions import ApplicationError, load_application

APP = """
import kingpost as kp
from {package}shapes import Click

clicks = kp.stream(Click)
again = clicks
"""
SHAPES = """
import kingpost as kp
import json


class Click(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
"""


def test_an_application_has_its_streams_and_the_sources_it_imports(tmp_path: Path) -> None:
    (tmp_path / "one_app.py").write_text(APP.format(package="one_"))
    (tmp_path / "one_shapes.py").write_text(SHAPES)
    (tmp_path / "unrelated.py").write_text("raise SystemExit")

    application = load_application(tmp_path / "one_app.py")

    assert list(application.streams) == ["click"]
    assert sorted(application.sources) == ["one_app.py", "one_shapes.py"]


def test_an_application_in_a_package_is_imported_by_its_dotted_name(tmp_path: Path) -> None:
    package = tmp_path / "shop" / "clicks"
    package.mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "app.py").write_text(APP.format(package="."))
    (package / "shapes.py").write_text(SHAPES)

    application = load_application(package / "app.py")

    assert application.root == tmp_path
    assert sorted(application.sources) == [
        "shop/__init__.py",
        "shop/clicks/__init__.py",
        "shop/clicks/app.py",
        "shop/clicks/shapes.py",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "declares nothing"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("x = (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_declares_nothing_or_breaks_is_a_clear_error(
    source: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / f"broken_{abs(hash(source))}.py"
    file.write_text(source)

    with pytest.raises(ApplicationError, match=expected) as caught:
        load_application(file)

    assert str(file) in str(caught.value)


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError, match="no Python file"):
        load_application(tmp_path / "none.py")


def test_a_wrong_declaration_keeps_its_own_error(tmp_path: Path) -> None:
    file = tmp_path / "wrong_declaration.py"
    file.write_text(
        "import kingpost as kp\nclass A(kp.Event):\n    at: kp.EventTime\nkp.stream(A)\n"
    )

    with pytest.raises(KingpostError, match="exactly one field marked kp.Key") as caught:
        load_application(file)

    assert f"{file}:2" in str(caught.value)
