"""Simulated customers of a telephone company, in the columns of the telco churn file.

A customer has a contract, a connection and extras, pays for them, and leaves with odds that
fall with the length of the contract and with the time stayed, and rise with the charge and
with fibre. One seed gives the same table; nothing is taken from the real one.

    python -m solutions.churn.simulator --out customers.csv
"""

import argparse
import sys
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "main", "simulate", "write_csv"]

Table = dict[str, NDArray[np.generic]]
"""The customers by the column."""

_CONTRACTS = ("Month-to-month", "One year", "Two year")
_MONTHS_STAYED = np.array([14.0, 32.0, 50.0])
_INTERNET = ("No", "DSL", "Fiber optic")
_CHARGE = np.array([20.0, 45.0, 70.0])
_PAYMENTS = (
    "Electronic check",
    "Mailed check",
    "Bank transfer (automatic)",
    "Credit card (automatic)",
)
_EXTRAS = {
    "OnlineSecurity": 5.0,
    "OnlineBackup": 5.0,
    "DeviceProtection": 5.0,
    "TechSupport": 5.0,
    "StreamingTV": 10.0,
    "StreamingMovies": 10.0,
}
"""What each costs a month."""


def simulate(customers: int = 5_000, seed: int = 7) -> Table:
    """Make a table of customers, all columns as text, as a CSV file has them."""
    random = np.random.default_rng(seed)
    contract = random.choice(3, customers, p=(0.55, 0.22, 0.23))
    internet = random.choice(3, customers, p=(0.22, 0.34, 0.44))
    tenure = np.minimum(random.exponential(_MONTHS_STAYED[contract]).astype(np.int64), 72)
    booked = (random.random((customers, len(_EXTRAS))) < 0.4) & (internet > 0)[:, np.newaxis]
    payment = random.choice(4, customers, p=(0.34, 0.22, 0.22, 0.22))
    senior, partner, dependents, phone, many_lines, paperless = (
        random.random(customers) < share for share in (0.16, 0.48, 0.3, 0.9, 0.42, 0.59)
    )
    extras = booked.astype(np.float64) @ np.array(tuple(_EXTRAS.values()))
    charge = _CHARGE[internet] + extras + 5.0 * (phone & many_lines)
    charge += random.normal(0, 2, customers)
    monthly = np.maximum(charge, 18.25).round(2)
    odds = -0.3 - 1.3 * contract - 0.035 * tenure + 0.9 * (internet == 2) + 0.02 * (monthly - 65)
    odds += -0.5 * booked[:, 3] + 0.5 * (payment == 0) + 0.3 * senior
    leaves = random.random(customers) < 1 / (1 + np.exp(-odds))
    total = (monthly * tenure * random.uniform(0.95, 1.05, customers)).round(2)
    table: Table = {
        "customerID": np.array([f"{at:06d}-SIM" for at in range(customers)]),
        "gender": _chosen(("Female", "Male"), random.integers(0, 2, customers)),
        "SeniorCitizen": senior.astype(np.int64).astype(str),
        "Partner": _yes_no(partner),
        "Dependents": _yes_no(dependents),
        "tenure": tenure.astype(str),
        "PhoneService": _yes_no(phone),
        "MultipleLines": np.where(phone, _yes_no(many_lines), "No phone service"),
        "InternetService": _chosen(_INTERNET, internet),
        "Contract": _chosen(_CONTRACTS, contract),
        "PaperlessBilling": _yes_no(paperless),
        "PaymentMethod": _chosen(_PAYMENTS, payment),
        "MonthlyCharges": monthly.astype(str),
        "TotalCharges": np.where(tenure > 0, total.astype(str), " "),
        "Churn": _yes_no(leaves),
    }
    for at, name in enumerate(_EXTRAS):
        table[name] = np.where(internet > 0, _yes_no(booked[:, at]), "No internet service")
    return table


def _chosen(texts: tuple[str, ...], places: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array(texts)[places]


def _yes_no(values: NDArray[np.bool_]) -> NDArray[np.str_]:
    return np.where(values, "Yes", "No")


def write_csv(table: Table, path: Path) -> None:
    """Write the customers as a CSV file."""
    with duckdb.connect() as database:
        database.register("customers", table)
        database.execute("COPY customers TO ? (FORMAT csv, HEADER)", [str(path)])


def main(arguments: list[str] | None = None) -> int:
    """Simulate and write a file."""
    parser = argparse.ArgumentParser(prog="solutions.churn.simulator", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(arguments)
    if chosen.customers < 1:
        parser.error("--customers must be at least 1")
    table = simulate(chosen.customers, chosen.seed)
    write_csv(table, chosen.out)
    leaving = int((table["Churn"] == "Yes").sum())
    print(f"{chosen.out}: {chosen.customers:,} customers, {leaving:,} leave", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
