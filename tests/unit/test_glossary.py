"""The glossary has every word once, in the order in which one looks it up."""

import re
from pathlib import Path

GLOSSARY = Path(__file__).parents[2] / "docs/glossary.md"


def words() -> list[str]:
    """Return the words of the table, its head left out."""
    rows = re.findall(
        r"^\| ([^|]+) \| [^|]+ \|$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [row for row in rows if row not in ("word", "---")]


def test_the_words_are_in_alphabetical_order_and_each_is_there_once() -> None:
    found = words()

    assert len(found) > 50
    assert found == sorted(set(found), key=lambda word: word.lower().replace("_", " "))
