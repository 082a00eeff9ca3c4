"""The reference solutions on real data, each beside its bar.

`make bench B=solutions [DATA=folder]`: the folder holds one folder a data set; without it
what lies beside the repository is taken, and simulated data where there is none.
"""

import argparse
from pathlib import Path

from benchmarks._solutions_anomaly import anomaly_figures
from benchmarks._solutions_churn import churn_figures
from benchmarks._solutions_demand import demand_figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.solutions", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of data sets")
    chosen = parser.parse_args()
    anomaly_figures(chosen.data)
    churn_figures(chosen.data)
    demand_figures(chosen.data)


if __name__ == "__main__":
    main()
