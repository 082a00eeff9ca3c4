"""What reviewers said: how often they accept and override, and agree with each other.

The rule: of one person's reviews of one record the last one counts. Two people agree where
the same answer stands for both; what agreement is worth beyond chance is Cohen's kappa.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from kingpost.monitoring.costs.usage import GivenReview

__all__ = ["Agreement", "PairAgreement", "agreements", "cohen_kappa"]


class PairAgreement(NamedTuple):
    """Two reviewers, and the records that both judged.

    Attributes:
        both_yes, both_no: Records of which they said the same.
        first_yes, second_yes: Records of which only one of them said yes.
    """

    first: str
    second: str
    both_yes: int
    both_no: int
    first_yes: int
    second_yes: int

    @property
    def records(self) -> int:
        """How many they both judged."""
        return sum(self[2:])

    @property
    def agreed(self) -> int:
        """Of how many they said the same."""
        return self.both_yes + self.both_no

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where chance alone would agree always."""
        return cohen_kappa(self.both_yes, self.both_no, self.first_yes, self.second_yes)


@dataclass(frozen=True)
class Agreement:
    """The reviews of one decision.

    Attributes:
        approved, overridden: Reviews that were asked for.
        corrected: Overrides that nobody had asked for.
        records: Records that anybody judged.
        judged_twice: Records that two people or more judged.
        pairs: Of each two reviewers who judged a record in common.
    """

    decision: str
    approved: int
    overridden: int
    corrected: int
    records: int
    judged_twice: int
    pairs: Sequence[PairAgreement]

    @property
    def acceptance(self) -> float | None:
        """The share of asked reviews that let the proposal stand; None without any."""
        asked = self.approved + self.overridden
        return self.approved / asked if asked else None

    @property
    def agreement(self) -> float | None:
        """The share of judgements of two people that are the same; None without any."""
        both = sum(pair.records for pair in self.pairs)
        return sum(pair.agreed for pair in self.pairs) / both if both else None


def cohen_kappa(both_yes: int, both_no: int, first_yes: int, second_yes: int) -> float | None:
    """Measure how far two people agree beyond chance, from the counts of a 2 × 2 table.

    Returns:
        1 for perfect agreement, 0 for that of chance; None where chance would agree always,
        or there is nothing to compare.

    Source: Cohen (1960), A coefficient of agreement for nominal scales.
    """
    whole = both_yes + both_no + first_yes + second_yes
    yes, its_yes = both_yes + first_yes, both_yes + second_yes
    by_chance = yes * its_yes + (whole - yes) * (whole - its_yes)  # of whole × whole
    if by_chance == whole * whole:
        return None
    return ((both_yes + both_no) * whole - by_chance) / (whole * whole - by_chance)


def agreements(reviews: Iterable[GivenReview]) -> Sequence[Agreement]:
    """Say of each decision how its reviews went; of all tenants together, by name."""
    by_decision: dict[str, list[GivenReview]] = {}
    for one in reviews:
        by_decision.setdefault(one.decision, []).append(one)
    return [_agreement(name, by_decision[name]) for name in sorted(by_decision)]


def _agreement(decision: str, reviews: Sequence[GivenReview]) -> Agreement:
    said: dict[tuple[str, bytes], dict[str, GivenReview]] = {}
    for one in reviews:
        said.setdefault((one.tenant, one.record), {})[one.by] = one
    last = [one for judges in said.values() for one in judges.values()]
    asked = [one for one in last if one.asked]
    return Agreement(
        decision,
        approved=sum(one.verdict == "approved" for one in asked),
        overridden=sum(one.verdict == "overridden" for one in asked),
        corrected=sum(one.verdict == "overridden" and not one.asked for one in last),
        records=len(said),
        judged_twice=sum(len(judges) > 1 for judges in said.values()),
        pairs=_pairs(said.values()),
    )


def _pairs(said: Iterable[Mapping[str, GivenReview]]) -> Sequence[PairAgreement]:
    counts: dict[tuple[str, str], list[int]] = {}
    for judges in said:
        for first, second in combinations(sorted(judges), 2):
            yes, its_yes = judges[first].positive, judges[second].positive
            place = (0 if yes else 1) if yes == its_yes else (2 if yes else 3)
            counts.setdefault((first, second), [0, 0, 0, 0])[place] += 1
    return [PairAgreement(*people, *counts[people]) for people in sorted(counts)]
