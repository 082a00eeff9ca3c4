"""A campaign from a scored batch: who is made the offer, the likeliest to leave first.

    python -m solutions.churn.campaign scored --contacts 500 --out contact.csv

The offer pays for whoever leaves with more than its break-even probability. Of these the
likeliest are taken, as many as can be contacted. Key accounts are left to the retention
desk, and customers of whom nothing is known to nobody.
"""

import argparse
import csv
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import kingpost as kp
from solutions.churn.offer import Offer, add_offer, chosen_offer
from solutions.ground.tables import BadFiles, TableFiles

__all__ = ["Campaign", "choose", "main"]

COLUMNS = ("customer", "score", "outcome")


@dataclass(frozen=True)
class Campaign:
    """Whom a campaign contacts.

    Attributes:
        customers: How many were scored.
        worth_it: Those for whom the offer pays.
        desk: Those who are left to the retention desk.
        contacted: Those who are contacted.
        from_score: The lowest score among them; None when there is nobody.
        leaving: How many of them would leave without it, as the scores say.
        gain: What it brings less its cost, as the scores say.
    """

    customers: int
    worth_it: int
    desk: int
    contacted: int
    from_score: float | None
    leaving: float
    gain: float


def choose(scored: Path, out: Path, offer: Offer, contacts: int | None = None) -> Campaign:
    """Write whom to contact, the likeliest to leave first.

    Args:
        scored: The directory that `kingpost score` wrote.
        out: A CSV file: `customer`, `score`, and `gain`, what the offer is expected to bring.
        contacts: The most that can be contacted; None contacts all for whom it pays.

    Raises:
        BadFiles: There is no batch of this decision, or it has not ended.
    """
    if not (scored / "summary.json").is_file():
        raise BadFiles(
            str(scored), "holds no batch that has ended", "run kingpost score, again if it stopped"
        )
    worth_it = f"outcome = 'decided' AND score > {offer.break_even!r}"
    parts = TableFiles.find(scored, COLUMNS, names="part-*")
    [(customers, paying, desk)] = parts.ask(
        f"SELECT count(*), count(*) FILTER ({worth_it}), "
        f"count(*) FILTER (outcome = 'review') FROM {parts.source}"
    )
    # of equals in the order of their names, so that the same batch gives the same campaign
    rows = parts.ask(
        f"SELECT customer, score FROM {parts.source} WHERE {worth_it} "
        "ORDER BY score DESC, customer" + ("" if contacts is None else f" LIMIT {contacts}")
    )
    scores = np.array([score for _, score in rows], np.float64)
    gains = offer.gain(scores)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("customer", "score", "gain"))
        for (customer, score), gain in zip(rows, gains.tolist(), strict=True):
            writer.writerow((customer, score, f"{gain:.2f}"))
    return Campaign(
        customers=customers,
        worth_it=paying,
        desk=desk,
        contacted=len(rows),
        from_score=float(scores[-1]) if rows else None,
        leaving=float(scores.sum()),
        gain=float(gains.sum()),
    )


def main(arguments: list[str] | None = None) -> int:
    """Write a campaign, and print it; return 0, or 1 after an error that was told."""
    parser = argparse.ArgumentParser(
        prog="solutions.churn.campaign", description="Choose whom to contact of a scored batch."
    )
    parser.add_argument("scored", type=Path, help="the directory that kingpost score wrote")
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--contacts", type=int, help="the most that can be contacted (all)")
    add_offer(parser)
    chosen = parser.parse_args(arguments)
    if chosen.contacts is not None and chosen.contacts < 0:
        parser.error("--contacts must be 0 or more")
    try:
        campaign = choose(chosen.scored, chosen.out, chosen_offer(chosen), chosen.contacts)
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(campaign), allow_nan=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
