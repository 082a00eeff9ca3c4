"""What monitors say, in words: of a status, of an incident."""

from collections.abc import Mapping, Sequence

from kingpost.monitoring.board import Board
from kingpost.monitoring.counts import STAGES, StageName
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.profile import Profile

__all__ = ["Wording", "listed", "ratio_text", "span_text", "time_text"]

_MOST_LISTED = 3


def span_text(minutes: int) -> str:
    """Write how long a window is: `the last 2 minutes`, `the last hour`."""
    if minutes == 60:
        return "the last hour"
    if minutes % 60 == 0:
        return f"the last {minutes // 60} hours"
    return f"the last {minutes} minutes"


def ratio_text(share: float) -> str:
    """Write a share in per cent, with as many digits as it needs."""
    return f"{share:.3%}" if share < 0.001 else f"{share:.1%}"


def time_text(microseconds: float) -> str:
    """Write a duration in milliseconds."""
    return f"{microseconds / 1000:.3g} ms" if microseconds < 1e6 else f"{microseconds / 1e6:.3g} s"


def listed(names: Sequence[str]) -> str:
    """Name some, and how many others there are."""
    if len(names) == 1:
        return names[0]
    if len(names) <= _MOST_LISTED:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{names[0]} and {len(names) - 1} others"


class Wording:
    """Puts the measures of one bundle into words."""

    def __init__(self, profile: Profile | None, limits: Limits) -> None:
        self._profile = profile
        self._budgets: Mapping[StageName, int | None] = {
            "total": limits.total_us,
            "features": limits.features_us,
            "model": limits.model_us,
        }

    def measure(self, board: Board, moment: int, cell: int) -> tuple[float, float]:
        """Return value and limit for people: times for latency, else as measured."""
        what = board.cells[cell]
        if what.monitor != "latency":
            return float(board.value[moment, cell]), float(board.limit[cell])
        stage: StageName = next(one for one in STAGES if one == what.column)
        budget = float(self._budgets[stage] or 0)
        p95 = board.stage(stage, moment).percentile(0.95) or 0.0
        # bins are coarse; on which side of the budget it lies is known exactly
        beyond = bool(board.breached[moment, cell])
        return (max(p95, budget) if beyond else min(p95, budget)), budget

    def detail(self, board: Board, moment: int, cell: int) -> str:
        """Write one measure beside its limit."""
        what = board.cells[cell]
        value, limit = self.measure(board, moment, cell)
        rows = int(board.rows[moment, cell])
        span = f"in {span_text(board.minutes(moment, cell))}"
        among = f"{span}, {rows:,} decisions"
        match what.monitor:
            case "drift":
                return f"{what.column}: PSI {value:.2f}, limit {limit:.2f}, {among}"
            case "missing":
                return (
                    f"{what.column}: missing in {ratio_text(value)}, "
                    f"limit {ratio_text(limit)}, {among}"
                )
            case "score" | "confidence":
                return f"{what.monitor}: PSI {value:.2f}, limit {limit:.2f}, {among}"
            case "positive_rate":
                return f"{self._positives(board, moment, cell)} {among}"
            case "latency":
                return f"{what.column}: p95 {time_text(value)}, budget {time_text(limit)}, {among}"
            case _:
                return f"{ratio_text(value)} failed, limit {ratio_text(limit)}, {among}"

    def title(self, board: Board, moment: int, cells: Sequence[int]) -> str:
        """Write what an incident is, from its cells, the worst first."""
        worst = cells[0]
        what = board.cells[worst]
        value, limit = self.measure(board, moment, worst)
        names = listed(list(dict.fromkeys(board.cells[cell].column for cell in cells)))
        has = "have" if " and " in names else "has"
        span = span_text(board.minutes(moment, worst))
        match what.monitor:
            case "drift":
                which = f" for {what.column}" if has == "have" else ""
                return f"{names} {has} drifted: PSI {value:.2f}{which} in {span}, limit {limit:.2f}"
            case "missing":
                which = f" of {what.column}" if has == "have" else ""
                return (
                    f"{names} {'are' if has == 'have' else 'is'} missing: {ratio_text(value)}"
                    f"{which} in {span}, limit {ratio_text(limit)}"
                )
            case "score":
                return f"the scores have moved: PSI {value:.2f} in {span}, limit {limit:.2f}"
            case "confidence":
                return f"the confidence has moved: PSI {value:.2f} in {span}, limit {limit:.2f}"
            case "positive_rate":
                return (
                    f"the positive rate has moved in {span}: "
                    f"{self._positives(board, moment, worst)}"
                )
            case "latency":
                return (
                    f"{what.column} is too slow: p95 {time_text(value)} in {span}, "
                    f"budget {time_text(limit)}"
                )
            case _:
                return f"decisions fail: {ratio_text(value)} in {span}, limit {ratio_text(limit)}"

    def _positives(self, board: Board, moment: int, cell: int) -> str:
        value, limit = self.measure(board, moment, cell)
        usual = self._profile.positive_share if self._profile is not None else None
        found = board.positives(board.cells[cell].window, moment)
        shares = (
            f"{ratio_text(found)} positive, {ratio_text(usual)} in the reference"
            if found is not None and usual is not None
            else "answers"
        )
        return f"{shares} (PSI {value:.2f}, limit {limit:.2f})"
