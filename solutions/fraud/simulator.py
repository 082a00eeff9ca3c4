"""A simulated card business: five months of transactions with three kinds of fraud.

Customers live on a square map and pay at terminals near their home, each at their own
rate and with their own typical amount. Fraud comes in three scenarios:

1. An amount above 220 is fraud: easy to see, there to check the plumbing.
2. A terminal is compromised: for 28 days everything paid there is fraud.
3. A card is compromised: for 14 days a third of its payments are five times as high,
   and these are fraud.

One seed gives the same table, whatever the machine. Columns and meaning are those of the
Fraud Detection Handbook's file, so that `data.py` reads both; nothing is taken from its code.

    python -m solutions.fraud.simulator --out transactions.parquet
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Simulation", "Table", "main", "simulate", "write_parquet"]

MAP_SIDE = 100.0
REACH = 5.0
"""How far from home a customer pays, in units of the map."""
PAYMENTS_A_DAY = 1.94
"""Mean over all customers: about 9,700 a day for 5,000 of them."""
HIGH_AMOUNT = 220.0
TERMINALS_A_DAY, TERMINAL_DAYS = 2, 28
CARDS_A_DAY, CARD_DAYS, CARD_SHARE, CARD_FACTOR = 3, 14, 1 / 3, 5.0
DAY_S = 86_400

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Table = dict[str, NDArray[np.generic]]
"""The transactions by the column, in the order of time."""


@dataclass(frozen=True)
class Simulation:
    """How large the simulated business is, and which one of all possible it is."""

    days: int = 153
    customers: int = 5_000
    terminals: int = 10_000
    seed: int = 7
    start: date = date(2018, 4, 1)


def simulate(simulation: Simulation) -> Table:
    """Make the transactions.

    Returns:
        TRANSACTION_ID (0, 1, 2 …), TX_DATETIME (datetime64[us], UTC, whole seconds),
        CUSTOMER_ID, TERMINAL_ID, TX_AMOUNT (two decimals), TX_FRAUD (0 or 1) and
        TX_FRAUD_SCENARIO (0 where genuine), rows in the order of time.
    """
    rng = np.random.default_rng(simulation.seed)
    customers, second = _payments(simulation, rng)
    terminals = _terminals(simulation, customers, rng)
    amount = _amounts(simulation, customers, rng)
    scenario = np.zeros(len(customers), np.int8)
    day = second // DAY_S
    scenario[amount > HIGH_AMOUNT] = 1
    at_bad_terminal = _under_attack(
        simulation, terminals, day, simulation.terminals, TERMINALS_A_DAY, TERMINAL_DAYS, rng
    )
    scenario[at_bad_terminal] = 2
    with_bad_card = _under_attack(
        simulation, customers, day, simulation.customers, CARDS_A_DAY, CARD_DAYS, rng
    )
    with_bad_card &= rng.random(len(customers)) < CARD_SHARE
    amount[with_bad_card] *= CARD_FACTOR
    scenario[with_bad_card] = 3
    origin = np.datetime64(simulation.start, "us")
    return {
        "TRANSACTION_ID": np.arange(len(customers), dtype=np.int64),
        "TX_DATETIME": origin + second.astype("timedelta64[s]"),
        "CUSTOMER_ID": customers,
        "TERMINAL_ID": terminals,
        "TX_AMOUNT": np.round(amount, 2),
        "TX_FRAUD": (scenario > 0).astype(np.int8),
        "TX_FRAUD_SCENARIO": scenario,
    }


def _payments(simulation: Simulation, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Say who pays and when, in seconds since the start, in the order of time."""
    rate = rng.gamma(2.0, 1.0, simulation.customers)
    rate *= PAYMENTS_A_DAY / rate.mean()
    payments: Integers = rng.poisson(rate * simulation.days, simulation.customers)
    customers = np.repeat(np.arange(simulation.customers), payments)
    day = rng.integers(0, simulation.days, len(customers))
    # the middle of the day is busy, the night is quiet and never empty
    daytime = np.clip(rng.normal(13.0, 3.6, len(customers)) * 3_600, 0, DAY_S - 1)
    any_time = rng.uniform(0, DAY_S, len(customers))
    at_any_time = (rng.random(len(customers)) < 0.12) | (daytime <= 0) | (daytime >= DAY_S - 1)
    second = day * DAY_S + np.where(at_any_time, any_time, daytime).astype(np.int64)
    order = np.argsort(second, kind="stable")
    return customers[order], second[order]


def _terminals(simulation: Simulation, customers: Integers, rng: np.random.Generator) -> Integers:
    """Choose a terminal within reach of each payment's customer; else the nearest one."""
    homes = rng.uniform(0, MAP_SIDE, (simulation.customers, 2))
    places = rng.uniform(0, MAP_SIDE, (simulation.terminals, 2))
    starts = np.zeros(simulation.customers + 1, np.int64)
    near: list[Integers] = []
    by_x = np.argsort(places[:, 0], kind="stable")
    sorted_x = places[by_x, 0]
    for customer, home in enumerate(homes):
        low, high = np.searchsorted(sorted_x, [home[0] - REACH, home[0] + REACH])
        strip = by_x[low:high]
        away = ((places[strip] - home) ** 2).sum(axis=1)
        reached = strip[away <= REACH**2]
        if not len(reached):
            reached = np.array([((places - home) ** 2).sum(axis=1).argmin()])
        near.append(reached)
        starts[customer + 1] = starts[customer] + len(reached)
    choice = rng.random(len(customers)) * np.diff(starts)[customers]
    return np.concatenate(near)[starts[customers] + choice.astype(np.int64)]


def _amounts(simulation: Simulation, customers: Integers, rng: np.random.Generator) -> Floats:
    """Draw amounts around each customer's own mean, never below a cent."""
    mean = rng.uniform(5.0, 100.0, simulation.customers)[customers]
    amount = rng.normal(mean, mean / 2)
    return np.where(amount > 0.01, amount, rng.uniform(0.01, 2 * mean))


def _under_attack(
    simulation: Simulation,
    entities: Integers,
    day: Integers,
    count: int,
    new_a_day: int,
    lasting_days: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Mark the payments of terminals or cards on days when these are compromised."""
    attacked = np.zeros((simulation.days, count), np.bool_)
    for first in range(simulation.days):
        victims = rng.choice(count, min(new_a_day, count), replace=False)
        attacked[first : first + lasting_days, victims] = True
    return attacked[day, entities]


def write_parquet(table: Table, path: Path) -> None:
    """Write the transactions as one Parquet file, compressed with zstd."""
    with duckdb.connect() as connection:
        connection.register("transactions", table)
        connection.execute("COPY transactions TO ? (FORMAT parquet, COMPRESSION zstd)", [str(path)])


def main(arguments: list[str] | None = None) -> int:
    """Simulate and write a file."""
    parser = argparse.ArgumentParser(prog="solutions.fraud.simulator", description=__doc__)
    size = Simulation()
    parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    parser.add_argument("--days", type=int, default=size.days)
    parser.add_argument("--customers", type=int, default=size.customers)
    parser.add_argument("--terminals", type=int, default=size.terminals)
    parser.add_argument("--seed", type=int, default=size.seed)
    chosen = parser.parse_args(arguments)
    for name in ("days", "customers", "terminals"):
        if getattr(chosen, name) < 1:
            parser.error(f"--{name} must be at least 1")
    table = simulate(Simulation(chosen.days, chosen.customers, chosen.terminals, chosen.seed))
    write_parquet(table, chosen.out)
    frauds = int(table["TX_FRAUD"].sum())
    rows = len(table["TX_FRAUD"])
    print(f"{chosen.out}: {rows:,} transactions, {frauds:,} frauds", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
