"""Every Python example of the README and of `docs/` runs.

All ```` ```python ```` blocks of a page form one module, run from top to bottom in an
empty directory; each keeps its line numbers, so a traceback points into the page. A
block that cannot run on its own says so: ```` ```python no-run ````.
"""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(?P<says>.*)$")


def example_of(page: str) -> str:
    """Blank every line of a page that is not in a block to run."""
    says, lines = "", list[str]()
    for line in page.splitlines():
        if fence := FENCE.match(line):
            says = "" if says else fence["says"].strip() or "text"
            lines.append("")
        else:
            lines.append(line if says == "python" else "")
    return "\n".join(lines) + "\n"


def run_example(page: Path, directory: Path) -> None:
    name = "example_" + re.sub(r"\W", "_", page.stem.lower())
    file = directory / f"{name}.py"
    file.write_text(example_of(page.read_text(encoding="utf-8")), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_the_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    run_example(page, tmp_path)


def test_blocks_keep_their_line_and_what_is_not_to_run_is_left_out() -> None:
    page = """\
Text.
```python
a = 1
```
```python no-run
b = 2
```
```
c = 3
```
```python
d = a
```
"""

    assert example_of(page) == "\n\na = 1\n\n\n\n\n\n\n\n\nd = a\n\n"


def test_an_example_that_fails_is_a_failure(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nassert 1 == 2\n```\n")

    with pytest.raises(AssertionError):
        run_example(page, tmp_path)
