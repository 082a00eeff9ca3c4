"""Evidently's drift report of two Parquet files, for `benchmarks/drift.py`.

One statistic for all columns, the population stability index, where ours gives eight: the
report that asks the least of it.
"""

import argparse
import json
import resource
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import pandas as pd  # its warnings are of no use here
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def drift(reference_path: Path, live_path: Path) -> dict[str, float]:
    reference, live = pd.read_parquet(reference_path), pd.read_parquet(live_path)
    numbers = [name for name in reference if pd.api.types.is_numeric_dtype(reference[name])]
    texts = [name for name in reference if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    sides = [Dataset.from_pandas(one, data_definition=definition) for one in (live, reference)]
    run = Report([DataDriftPreset(num_method="psi", cat_method="psi")]).run(*sides)
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in run.dict()["metrics"]
        if "column" in metric["config"]
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    start, busy = time.perf_counter(), time.process_time()
    found = drift(chosen.data / "reference.parquet", chosen.data / "live.parquet")
    run = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - busy,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    chosen.out.write_text(json.dumps(found))
    print(json.dumps(run))


if __name__ == "__main__":
    main()
