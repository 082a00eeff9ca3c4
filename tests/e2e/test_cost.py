"""Costs over the real commands: a budget is crossed, two people are told, a restart tells no third."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from httpx import Client

from kingpost.cli.main import command_line
from kingpost.cli.periods import EmptyPeriod
from kingpost.decisions import RecordNotFound
from tests.cli_app import SOURCE, kingpost
from tests.e2e.test_cli import ORDER, ask, running
from tests.served_shop import until

COSTS = '''

def asking(rows):
    """Ask a language model, so to say: 40,000 tokens read and 10,000 written for a row."""
    kp.note_tokens("small-lm", input_tokens=40_000 * len(rows), output_tokens=10_000 * len(rows))
    return rows[:, 0] / (rows[:, 0] + 100)


prices = kp.prices(
    currency="EUR",
    compute_s="0.000000000001",
    storage_gb_month="0.000000001",
    tokens={"small-lm": ("10", "60")},
)
risk_budget = kp.cost_budget("10.00", team="risk")

'''


def application(directory: Path) -> None:
    start, end = SOURCE.index("        trainer="), SOURCE.index("        label=chargebacks")
    source = f"{SOURCE[:start]}        predict=asking,\n{SOURCE[end:]}".replace(
        '    "risk",\n    request',
        '    "risk",\n    team="risk",\n    product="checkout",\n    request',
    )
    at = source.index("risk = kp.decision")
    (directory / "shop_app.py").write_text(source[:at] + COSTS + source[at:])


def decide(url: str, secret: str, names: Sequence[str]) -> list[str]:
    answers = [ask(url, secret, ORDER | {"id": name, "customer": name}) for name in names]
    assert [status for status, _ in answers] == [200] * len(names)
    return [str(answer["id"]) for _, answer in answers]


def incidents(client: Client) -> list[dict[str, object]]:
    return client.get("/v1/incidents").json()["incidents"]


def told(directory: Path, *arguments: str) -> dict[str, Any]:
    """Run a command in this process; return what it prints."""
    done = CliRunner().invoke(
        command_line,
        ["--data-dir", str(directory / "data"), *arguments, "--json"],
        catch_exceptions=False,
    )
    return json.loads(done.stdout)


def costs(directory: Path, *arguments: str) -> dict[str, Any]:
    return told(directory, "cost", str(directory / "shop_app.py"), *arguments)


def counted(directory: Path) -> int:
    found: int = costs(directory)["total"]["decisions"]
    return found


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[int]]:
    """Spend eleven euros and one more after a restart; return how often people were told."""
    directory = tmp_path_factory.mktemp("costs")
    application(directory)
    kingpost(directory, "models", "register", "shop_app.py", "--by", "ann", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a rule of ours", "--json")
    made = kingpost(directory, "keys", "create", "--scope", "decide", "--scope", "records",
                    "--scope", "review", "--scope", "metrics", "--name", "ann", "--json")  # fmt: skip
    secret = str(made["secret"])
    headers = {"authorization": f"Bearer {secret}"}
    counts: list[int] = []
    with running(directory) as url, Client(base_url=url, headers=headers) as client:
        identifiers = decide(url, secret, [f"o{at}" for at in range(7)])
        until(lambda: counted(directory) == 7, "seven are counted")
        counts.append(len(incidents(client)))
        identifiers += decide(url, secret, [f"o{at}" for at in range(7, 11)])
        until(lambda: counted(directory) == 11, "eleven are counted")
        counts.append(len(incidents(client)))
        for positive, at in ((False, 0), (True, 1)):
            body = {"positive": positive, "reason": "a known card"}
            answer = client.post(f"/v1/records/{identifiers[at]}/override", json=body)
            assert answer.is_success, answer.text
    with running(directory) as url, Client(base_url=url, headers=headers) as client:
        identifiers += decide(url, secret, ["o11"])
        until(lambda: counted(directory) == 12, "twelve are counted")
        counts.append(len(incidents(client)))
        scraped = client.get("/metrics").text
        titles = [str(one["title"]) for one in incidents(client)]
    (directory / "metrics.txt").write_text(scraped)
    (directory / "titles.json").write_text(json.dumps(titles))
    return directory, identifiers, counts


def test_a_budget_is_told_of_twice_and_a_restart_tells_no_third(
    spent: tuple[Path, list[str], list[int]],
) -> None:
    directory, _, counts = spent

    month = f"{datetime.now(UTC):%B %Y}"
    assert counts == [0, 2, 2]
    assert json.loads((directory / "titles.json").read_text()) == [
        f"team risk has spent 100% of its budget for {month}: 10.00 of 10.00 EUR",
        f"team risk has spent 80% of its budget for {month}: 8.00 of 10.00 EUR",
    ]


def test_lines_add_up_to_the_total_by_every_grouping(
    spent: tuple[Path, list[str], list[int]],
) -> None:
    directory, identifiers, _ = spent

    whole = {by: costs(directory, "--by", by) for by in ("team", "product", "day", "resource")}

    for by, found in whole.items():
        lines, total = found["lines"], found["total"]
        amounts = [Decimal(str(line["amount"])) for line in lines]
        assert sum(amounts) == Decimal(str(total["amount"]))
        assert total["decisions"] == len(identifiers) == 12
        assert total["tokens"] == {"small-lm": {"input": 480_000, "output": 120_000}}
        assert by == "resource" or lines[0]["decisions"] == 12
    assert [line["product"] for line in whole["product"]["lines"]] == ["checkout"]
    assert [line["team"] for line in whole["team"]["lines"]] == ["risk"]
    [standing] = whole["team"]["budgets"]
    assert (standing["budget"], standing["monthly"]) == ("team risk", "10")
    assert Decimal(str(standing["spent"])) == Decimal(whole["team"]["total"]["amount"])


def test_a_record_has_its_own_lines(spent: tuple[Path, list[str], list[int]]) -> None:
    directory, identifiers, _ = spent

    each = [costs(directory, "--record", one)["lines"] for one in identifiers]

    assert [line["resource"] for line in each[0]] == [
        "compute", "storage", "small-lm input", "small-lm output",
    ]  # fmt: skip
    assert [line["quantity"] for line in each[0][2:]] == [40_000, 10_000]
    of_records = sum(Decimal(str(line["amount"])) for lines in each for line in lines)
    assert of_records == Decimal(costs(directory)["total"]["amount"])
    with pytest.raises(RecordNotFound):
        costs(directory, "--record", "x")


def test_metrics_tell_of_this_month(spent: tuple[Path, list[str], list[int]]) -> None:
    lines = (spent[0] / "metrics.txt").read_text().splitlines()

    values = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("kingpost_cost")
    }

    assert values['kingpost_cost_budget_spent_ratio{budget="team risk"}'] == pytest.approx(1.2)
    owner = 'currency="EUR",decision="risk",product="checkout"'
    read = f'kingpost_cost_month{{{owner},resource="small-lm input",team="risk"}}'
    assert values[read] == pytest.approx(4.8)


def test_reviewers_and_people_read_lines(spent: tuple[Path, list[str], list[int]]) -> None:
    directory, _, _ = spent

    [found] = told(directory, "reviewers")["decisions"]

    assert (found["decision"], found["records"], found["judged_twice"]) == ("risk", 2, 0)
    assert found["pairs"] == []
    with pytest.raises(EmptyPeriod):
        costs(directory, "--from", "2026-02-02", "--to", "2026-02-01")
