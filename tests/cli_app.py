"""A small application as a user writes it, with its data, driven by the real command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

__all__ = ["SOURCE", "PreparedShop", "kingpost", "prepared_shop", "write_history"]

START_US = 1_533_081_600_000_000
HOUR_US = 3_600_000_000

SOURCE = """
from typing import Annotated

import kingpost as kp
from kingpost.models import LightGbmParameters, LightGbmTrainer


class Order(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Chargeback(kp.Event):
    order: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    customer: str
    fraud: bool


orders, chargebacks = kp.stream(Order), kp.stream(Chargeback)

spend = orders.by("customer").over("6h", "2d").features(
    n=kp.count(), mean=kp.mean("amount"), high=kp.max("amount"), last=kp.last("amount")
)
trust = chargebacks.by("customer").over("5d", delay="1d").features(rate=kp.mean("fraud"))


@kp.feature
def at_night(at: kp.EventTime) -> bool:
    return at.in_zone("Europe/Rome").hour < 6


@kp.feature
def to_usual(amount: float, customer_mean_2d: float) -> float:
    return amount / customer_mean_2d


risk = kp.decision(
    "risk",
    request=Order,
    features=[kp.field("amount"), spend, trust, at_night, to_usual],
    model=kp.model(
        "risk",
        trainer=LightGbmTrainer(LightGbmParameters(num_leaves=7, rounds=20, min_data_in_leaf=10)),
        label=chargebacks.label("fraud"),
    ),
    gate=kp.gate(min_confidence=0.7, otherwise=kp.review("risk-desk")),
)
"""


def kingpost(
    directory: Path, *arguments: str, code: int = 0, **variables: str
) -> dict[str, object]:
    """Run a command over the data directory; return the JSON object that it prints.

    Args:
        code: What it must end with.
        variables: Of its environment, beside those of this process.
    """
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"), *arguments],
        cwd=directory,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def write_history(directory: Path, *, rows: int = 3000, seed: int = 1) -> None:
    """Write orders and, a day later, what became of them, as CSV."""
    rng = np.random.default_rng(seed)
    times = START_US + np.sort(rng.integers(0, 10 * 24 * HOUR_US, rows))
    customers = rng.integers(0, 40, rows)
    amounts = np.round(rng.gamma(2, 30, rows), 2)
    fraud = rng.random(rows) < np.where(amounts > 120, 0.6, 0.03)
    texts = [f"{moment}Z" for moment in np.datetime_as_string(times.astype("datetime64[us]"))]
    known = (times + 24 * HOUR_US).astype("datetime64[us]")
    orders = ["id,at,customer,amount"]
    outcomes = ["order,at,known_at,customer,fraud"]
    for row in range(rows):
        orders.append(f"o{row},{texts[row]},c{customers[row]},{amounts[row]}")
        outcomes.append(
            f"o{row},{texts[row]},{np.datetime_as_string(known[row])}Z,"
            f"c{customers[row]},{'true' if fraud[row] else 'false'}"
        )
    (directory / "orders.csv").write_text("\n".join(orders) + "\n")
    (directory / "chargebacks.csv").write_text("\n".join(outcomes) + "\n")


class PreparedShop(NamedTuple):
    """An installation with a history and an approved model, for tests to copy.

    Attributes:
        directory: Where the application lies; its data is in `data`.
        secret: Of an API key that may decide, ingest and read records.
    """

    directory: Path
    secret: str

    def copied(self, directory: Path) -> str:
        """Copy it into a directory; return the secret of the API key."""
        shutil.copytree(self.directory, directory, dirs_exist_ok=True)
        return self.secret


@pytest.fixture(scope="session")
def prepared_shop(tmp_path_factory: pytest.TempPathFactory) -> PreparedShop:
    """Ingest, train, approve and make a key, once for all tests of a process."""
    directory = tmp_path_factory.mktemp("prepared")
    (directory / "shop_app.py").write_text(SOURCE)
    write_history(directory)
    kingpost(directory, "ingest", "shop_app.py", "order", "orders.csv", "--json")
    kingpost(directory, "ingest", "shop_app.py", "chargeback", "chargebacks.csv", "--json")
    kingpost(directory, "train", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    secret = str(kingpost(directory, "keys", "create", "--json")["secret"])
    return PreparedShop(directory, secret)
