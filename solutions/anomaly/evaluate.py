"""How good is the detector? One command, on any files of the benchmark's columns.

    python -m solutions.anomaly.evaluate --data folder --json

The protocol is `protocol.py`'s. With `--json` one JSON object is printed; errors go to
standard error.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import kingpost as kp
from solutions.anomaly.app import BOUNDS, QUIET
from solutions.anomaly.data import MeasurementFiles
from solutions.anomaly.nab import normalised
from solutions.anomaly.protocol import (
    FALSE_ALARMS,
    GRID,
    Judged,
    Verdict,
    false_alarms_a_day,
    judge,
    total,
)

__all__ = ["main", "report_of"]


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print; return 0, or 1 after an error that was told."""
    chosen = _parser().parse_args(arguments)
    started = time.monotonic()
    try:
        files = MeasurementFiles.find(chosen.data, chosen.windows)
        verdict = judge(files, chosen.false_alarms)
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    report = {
        **report_of(verdict, chosen.false_alarms),
        "wall_s": round(time.monotonic() - started, 2),
    }
    if chosen.json:
        print(json.dumps(report, allow_nan=False))
    else:
        _print(verdict, report)
    return 0


def report_of(verdict: Verdict, stated: float) -> Mapping[str, object]:
    """Put a verdict into figures; `nab_score` is of bounds from other series, where there are."""
    crossed = verdict.by_series or verdict.declared
    return {
        **_figures(crossed),
        "false_alarms_stated": stated,
        "within_stated": false_alarms_a_day(crossed) <= stated,
        "protocol": {
            "score": "NAB, standard profile, 15 % probation",
            "bounds": f"each series with the best of {len(GRID)} on all others"
            if verdict.by_series
            else "those declared: there is no other series",
            "quiet": QUIET,
        },
        "declared": {"record": BOUNDS.record, "level": BOUNDS.level, **_figures(verdict.declared)},
        "groups": {
            group: _figures([one for one in crossed if _group(one) == group])
            for group in sorted(set(map(_group, crossed)))
        },
        "series": len(crossed),
        "measurements": verdict.measurements,
    }


def _figures(judged: Sequence[Judged]) -> Mapping[str, object]:
    score = total(judged)
    delays = [delay for one in judged for delay in one.delays_h]
    scaled = normalised(score)
    return {
        "nab_score": None if math.isnan(scaled) else scaled,
        "false_alarms_per_stream_day": false_alarms_a_day(judged),
        "false_alarms": score.false_alarms,
        "stream_days": sum(one.series.days for one in judged),
        "windows": score.windows,
        "windows_found": score.found,
        "median_delay_h": median(delays) if delays else None,
    }


def _group(one: Judged) -> str:
    return one.series.name.rpartition("/")[0]


def _print(verdict: Verdict, report: Mapping[str, object]) -> None:
    for one in verdict.by_series or verdict.declared:
        score = one.score
        print(
            f"{one.series.name}: {score.found} of {score.windows} windows found, "
            f"{score.false_alarms} false alarms in {one.series.days:.1f} days, "
            f"bounds {one.bounds.record:g} and {one.bounds.level:g}"
        )
    print(f"NAB score {report['nab_score']}, protocol: {report['protocol']}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solutions.anomaly.evaluate",
        description="Judge every series with bounds that were chosen on the others.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a Parquet or CSV file, or a folder of such"
    )
    parser.add_argument(
        "--windows", type=Path, help="the windows; anomaly_windows.json beside the files without"
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=FALSE_ALARMS,
        help=f"stated rate: of a series in a day, at the most ({FALSE_ALARMS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
