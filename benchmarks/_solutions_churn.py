"""Churn: ROC AUC over five folds, and how many customers a batch answers as the server does.

Without the telco file, in DATA or beside the repository, simulated customers stand in for
it, and the figure has another name.
"""

import tempfile
from pathlib import Path

from benchmarks._figures import figure_at, say
from kingpost.decisions import training_set
from solutions.churn.agreement import compare
from solutions.churn.app import churn, trainer
from solutions.churn.data import CustomerFiles
from solutions.churn.installation import install
from solutions.churn.offer import Offer
from solutions.churn.protocol import cross_validate
from solutions.churn.simulator import simulate, write_csv

__all__ = ["churn_figures"]

FOLDER = "churn-telco"
BESIDE = Path(__file__).parents[2] / "shared" / "data"
BAR, BAR_SIMULATED = 0.84, 0.8
BUDGET = 0.2


def churn_figures(data: Path | None) -> None:
    """Print the figures.

    Args:
        data: A folder that holds the telco file in `churn-telco`.
    """
    found = (data or BESIDE) / FOLDER
    with tempfile.TemporaryDirectory(prefix="kingpost-churn-") as temporary:
        if found.is_dir():
            _figures(found, Path(temporary), "churn_auc", BAR)
            return
        say(f"no {found}: simulating customers")
        file = Path(temporary) / "customers.csv"
        write_csv(simulate(), file)
        _figures(file, Path(temporary), "churn_auc_simulated", BAR_SIMULATED)


def _figures(customers: Path, directory: Path, name: str, bar: float) -> None:
    files = CustomerFiles.find(customers)
    rows = training_set(churn, files.histories())
    judged = cross_validate(rows, trainer, budget=BUDGET, offer=Offer())
    auc, spread = judged.auc
    say(
        f"{len(rows)} customers, five folds of "
        f"{', '.join(f'{fold.auc:.3f}' for fold in judged.folds)}: "
        f"{auc:.3f}, standard deviation {spread:.3f}"
    )
    figure_at(name, auc, "ROC AUC", bar, more_is_better=True)
    (directory / "installed").mkdir()
    agreement = compare(install(files, directory / "installed"))
    say(f"{agreement.equal} of {agreement.rows} answered alike, bit by bit")
    figure_at("churn_agreement", agreement.share, "of customers", 1.0, more_is_better=True)
