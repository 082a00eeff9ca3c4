"""Judging a bundle by its decision's evaluation gates, and putting it on record.

The rules: what is judged on is later than all that the model learned from; the numbers are an
artefact by digest, the model card is made from them, and the control log names both with the
bundle that they are of.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from kingpost.core import Clock
from kingpost.decisions.bundle import Bundle, read_bundle
from kingpost.decisions.champion_scores import Source, champion_scores
from kingpost.decisions.declare import Decision
from kingpost.decisions.errors import NoGates, NoModel, NotApproved, ReplayFailed
from kingpost.decisions.loading import running_bundle
from kingpost.decisions.scorers import all_scores, model_of
from kingpost.decisions.served import Scorer
from kingpost.models import (
    BadModel,
    Champion,
    GateResults,
    JudgedRows,
    Progress,
    TrainingSet,
    encode_results,
    gated_card,
    gated_card_html,
    judge_gates,
    quiet,
    time_scores,
)
from kingpost.registry import ArtefactStore, BundleEvaluation, ControlLog, ModelVersion

__all__ = ["Judging", "card_digests", "note_gates"]

_TIMED = ("latency", "running_cost")


class Judging(NamedTuple):
    """What is judged, on which rows.

    Attributes:
        version: The bundle's model version.
        scorer: The bundle's model.
        data: The rows, and `judged` the same with their requests and scores.
        source: Where they come from.
        learned_until_us: The end of what the model learned from; None where it is not known.
        environment: Name to version of what measures.
    """

    bundle: Bundle
    version: ModelVersion
    scorer: Scorer
    data: TrainingSet
    judged: JudgedRows
    source: Source
    learned_until_us: int | None
    environment: Mapping[str, str]


def note_gates(
    decision: Decision,
    judging: Judging,
    control: ControlLog,
    store: ArtefactStore,
    *,
    by: str,
    clock: Clock,
    progress: Progress = quiet,
) -> BundleEvaluation:
    """Judge a bundle by its decision's gates and write what came of it.

    Args:
        by: Who judges.

    Raises:
        NoGates: The decision declares none.
        BadGroups: See `judge_gates`.
        JournalInUse, JournalFull, JournalFailed: The control log could not be written.
    """
    if decision.evaluation is None:
        raise NoGates(decision.name)
    bundle, rows = judging.bundle, judging.judged
    champion = _champion_of(control, decision.name)
    times = judging.data.event_time_us
    is_timed = any(gate.spec.kind in _TIMED for gate in decision.evaluation.gates)
    results = GateResults(
        format=1,
        decision=decision.name,
        bundle=bundle.digest,
        model=bundle.model,
        champion="" if champion is None else champion.digest,
        data=judging.data.digest,
        rows=len(rows),
        positives=int(np.count_nonzero(rows.label)),
        first_us=int(times.min()),
        last_us=int(times.max()),
        learned_until_us=judging.learned_until_us,
        threshold=rows.threshold,
        positive=bundle.label,
        asked=decision.evaluation.spec,
        gates=judge_gates(
            decision.evaluation,
            rows,
            champion=None
            if champion is None
            else _compared(champion, decision, judging, control, store),
            timings=time_scores(judging.scorer.score, rows.x) if is_timed else None,
            progress=progress,
        ),
        environment=dict(judging.environment),
    )
    content = encode_results(results)
    digest = store.put(content)
    made = judging.version.artefacts
    html = store.get(made.card_html).decode() if made.card_html else ""
    page = gated_card_html(html, results, digest)
    noted = BundleEvaluation(
        format=1,
        decision=decision.name,
        bundle=bundle.digest,
        results=digest,
        card=store.put(gated_card(store.get(made.card).decode(), results, digest).encode()),
        card_html=store.put(page.encode()) if page else "",
        verdict=results.verdict,
        not_passed=results.not_passed,
        accepts_undecided=results.asked.undecided == "accepted",
        champion=results.champion,
        by=by,
        at_us=clock.now_us(),
    )
    control.note_evaluation(noted)
    return noted


def card_digests(control: ControlLog, decision: str, version: ModelVersion) -> tuple[str, str]:
    """Return the digests of a version's model card: Markdown, and HTML or an empty text.

    It is the one with what came of the gates of its bundle last, where it was judged by any.
    """
    model = version.name, version.number
    bundles = {
        registered.digest
        for registered in control.bundles(decision)
        for bundle in [read_bundle(registered)]
        if (bundle.model_name, bundle.model_number) == model
    }
    for one in reversed(control.evaluations(decision)):
        if one.bundle in bundles:
            return one.card, one.card_html
    return version.artefacts.card, version.artefacts.card_html


def _champion_of(control: ControlLog, decision: str) -> Bundle | None:
    try:
        return running_bundle(control, decision)
    except (NoModel, NotApproved):
        return None


def _compared(
    champion: Bundle,
    decision: Decision,
    judging: Judging,
    control: ControlLog,
    store: ArtefactStore,
) -> Champion:
    """Score the rows by the champion; where its features are others, by its own source."""
    if champion.digest == judging.bundle.digest:
        return Champion(None, champion.threshold, "it is the champion itself", passes=True)
    same = (champion.features, champion.feature_names) == (
        judging.bundle.features,
        judging.bundle.feature_names,
    )
    try:
        if same:
            scores = all_scores(model_of(decision, store.get(champion.model)), judging.data)
        else:
            keys = judging.judged.requests.columns[decision.request.key.name]
            scores = champion_scores(champion, store, judging.source, keys)
    except (BadModel, ReplayFailed) as error:
        return Champion(None, champion.threshold, f"the champion cannot be run: {error}")
    return Champion(scores, champion.threshold, _seen(champion, judging.data, control))


def _seen(champion: Bundle, data: TrainingSet, control: ControlLog) -> str:
    versions = control.models(champion.model_name)
    recipe = next(
        (one.recipe for one in versions if one.number == champion.model_number and one.recipe), None
    )
    if recipe is None:
        return "what the champion learned from is not known here"
    seen = int(np.count_nonzero(data.event_time_us < recipe.train_until_us))
    return f"the champion may have learned from {seen:,} of these rows" if seen else ""
