"""Every link within the documentation leads somewhere: to a file, and to a heading in it.

Links to other hosts are left alone: no test goes through the network.
"""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
HIDDEN = (".venv", ".tool", ".git", "node_modules")
FENCED = re.compile(r"^(```+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def pages() -> list[Path]:
    """Find every Markdown page of the repository."""
    tops = [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")]
    return sorted(page for page in tops if not set(page.relative_to(ROOT).parts) & set(HIDDEN))


PAGES = pages()


def links_of(text: str) -> list[str]:
    """Return the targets of the links in a page, code left out."""
    return [match[1] for match in LINK.finditer(SPAN.sub("", FENCED.sub("", text)))]


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    seen = Counter[str]()
    found = set[str]()
    for match in HEADING.finditer(FENCED.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def leads_somewhere(link: str, page: Path, root: Path) -> bool:
    """Tell whether a link of a page leads to a file, and to a heading where it names one."""
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(root.resolve()):
        return False
    if not anchor:
        return True
    return target.suffix == ".md" and anchor in anchors_of(target.read_text(encoding="utf-8"))


def broken_links(page: Path, root: Path = ROOT) -> list[str]:
    """Return the links of a page that lead nowhere; those to other hosts are not followed."""
    links = links_of(page.read_text(encoding="utf-8"))
    inside = [link for link in links if not re.match(r"[a-z][a-z0-9+.-]*:", link)]
    return [link for link in inside if not leads_somewhere(link, page, root)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_every_page_of_the_documentation_can_be_reached_from_its_map() -> None:
    start = ROOT / "docs/README.md"
    reached, waiting = {start}, [start]
    while waiting:
        page = waiting.pop()
        for link in links_of(page.read_text(encoding="utf-8")):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file() and target not in reached:
                reached.add(target)
                waiting.append(target)

    assert sorted(set((ROOT / "docs").rglob("*.md")) - reached) == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# Top\n## The `last` one, twice\n## Same\n## Same\n")
    page.write_text(
        "[a](other.md) [b](other.md#the-last-one-twice) [c](other.md#same-1) [d](#here)\n"
        "# Here\n`[code](nowhere.md)` [e](https://example.org/x)\n"
        "```\n[fenced](nowhere.md)\n```\n"
        "[f](none.md) [g](other.md#none) [h](#none) [i](../../etc/passwd)\n"
    )

    assert broken_links(page, tmp_path) == [
        "none.md",
        "other.md#none",
        "#none",
        "../../etc/passwd",
    ]
