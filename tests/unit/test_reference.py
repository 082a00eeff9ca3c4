"""The reference pages say what the code says; what writes them sees what matters."""

from pathlib import Path

import click
import pytest

from tools.reference import REFERENCE, reference_pages
from tools.reference.commands import describe_group
from tools.reference.markdown import code, first_sentence, table
from tools.reference.python_api import describe_python_api

HOW_TO_MEND = "this page no longer says what the code says: run `make reference` and read the diff"
PAGES = reference_pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_one_that_the_code_gives(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")

    assert written == PAGES[name], HOW_TO_MEND


def test_there_is_no_reference_page_that_nothing_writes() -> None:
    assert {file.name for file in REFERENCE.iterdir()} == set(PAGES)


def test_a_command_is_described_with_its_options_and_those_below_it() -> None:
    @click.group()
    def root() -> None:
        """Do everything."""

    @root.group()
    def keys() -> None:
        """Make keys."""

    @keys.command()
    @click.argument("name")
    @click.option("--days", default=3, show_default=True, help="How long.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def create(name: str, days: int, *, as_json: bool) -> None:
        """Make one."""

    page = describe_group(root, "tool")

    assert "## tool keys\n" in page
    assert "### tool keys create\n" in page
    assert "```\ntool keys create [OPTIONS] NAME\n```" in page
    assert "| `--days INTEGER` | How long. Default: `3`. |" in page
    assert "| `--json` | Print one JSON object. |" in page
    assert create.name == "create"


def test_a_face_lists_what_it_exports_with_signature_and_first_line(tmp_path: Path) -> None:
    package = tmp_path / "kingpost/journal"
    package.mkdir(parents=True)
    (tmp_path / "kingpost/__init__.py").write_text(
        '"""Kingpost."""\n'
        "if TYPE_CHECKING:\n"
        "    from kingpost.journal import scan as scan\n"
        "__all__ = ['scan']\n"
    )
    (package / "__init__.py").write_text(
        '"""The log."""\n'
        "from kingpost.journal.log import Journal, Line, scan\n"
        "__all__ = ['Journal', 'Line', 'scan']\n"
    )
    (package / "log.py").write_text(
        "class Journal:\n"
        '    """Append.\n\n    More."""\n'
        "    def __init__(self, at: Path) -> None: ...\n"
        "    @property\n"
        "    def size(self) -> int:\n"
        '        """How many."""\n'
        "    def _frame(self) -> bytes: ...\n"
        "class Line:\n"
        "    text: str\n"
        "    rank: int = 0\n"
        "def scan(at: Path, *, start: int = 0) -> Iterator[int]:\n"
        '    """Read all."""\n'
    )

    page = describe_python_api(tmp_path)

    assert page.count("**`scan(at: Path, *, start: int=0) -> Iterator[int]`** Read all.") == 2
    assert "**`Journal(at: Path)`** Append.\n\n- `.size: int` How many." in page
    assert "**`Line(text: str, rank: int = 0)`**" in page
    assert "_frame" not in page


def test_markdown_is_escaped_where_it_must_be() -> None:
    assert table(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |"
    assert table(["a"], []) == ""
    assert code("run `make`") == "`` run `make` ``"
    assert first_sentence("One\nline.\n\nAnother.") == "One line."
