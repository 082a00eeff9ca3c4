"""What a model is and why it answered so, from the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import ServedShop

ORDER = {"id": "new-1", "at": "2018-08-12T10:00:00Z", "customer": "c7", "amount": 310.0}


def said(directory: Path, *arguments: str, code: int = 0) -> str:
    """Run a command over the data directory; return what it writes."""
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"), *arguments],
        cwd=directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A shop that has answered one order, and the id of its record."""
    directory = tmp_path_factory.mktemp("shop")
    with ServedShop(directory, prepared_shop.copied(directory)) as server:
        answered = server.decide(json.dumps(ORDER).encode())
        assert answered.status_code == 200
        assert server.end() == 0
    return directory, answered.json()["id"]


def test_a_record_is_explained_to_its_score(shop: tuple[Path, str]) -> None:
    directory, identifier = shop

    found = kingpost(directory, "explain", identifier, "--json")
    replayed = kingpost(directory, "replay", identifier, "--json")

    lines = cast("list[dict[str, float]]", found["lines"])
    base, score = float(str(found["base"])), float(str(found["score"]))
    assert cast("dict[str, float]", replayed["answer"])["score"] == score
    assert base + sum(line["contribution"] for line in lines) == pytest.approx(score, abs=1e-9)
    assert str(lines[0]["feature"]) == "amount"
    assert found["reference_rows"] == 100
    assert kingpost(directory, "explain", identifier, "--json") == found


def test_people_read_a_table_with_the_largest_first(shop: tuple[Path, str]) -> None:
    directory, identifier = shop

    text = said(directory, "explain", identifier)
    every = said(directory, "explain", identifier, "--all")

    assert f"risk {identifier} at " in text
    first = text.splitlines()[4].split()
    assert first[:2] == ["amount", "310"]
    assert first[-1].startswith("█")
    assert len(every.splitlines()) >= len(text.splitlines())
    assert "record_not_found" in said(directory, "explain", "nothing", code=1)


def test_a_card_is_printed_or_written_with_plots(shop: tuple[Path, str]) -> None:
    directory, _ = shop

    markdown = said(directory, "models", "shop_app.py", "--card", "1")
    said(directory, "models", "shop_app.py", "--card", "1", "--html", "--out", "card.html")

    page = (directory / "card.html").read_text(encoding="utf-8")
    assert markdown.startswith("# Model card: risk\n")
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 4
    assert "--html and --out go with --card" in said(
        directory, "models", "shop_app.py", "--html", code=2
    )


def test_training_writes_the_card_in_the_form_of_its_file(shop: tuple[Path, str]) -> None:
    directory, _ = shop

    kingpost(directory, "train", "shop_app.py", "--card", "new.html", "--json")
    kingpost(directory, "train", "shop_app.py", "--card", "new.md", "--json")

    assert (directory / "new.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (directory / "new.md").read_text(encoding="utf-8").startswith("# Model card")
