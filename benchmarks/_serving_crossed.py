"""Does every caller get its own answer: 100,000 requests, 256 in flight, no two alike.

Each row has a score that no other row has. It is computed beforehand, alone, with the same
runtime; an answer that is another row's, that is empty or that has other bits than the row's own
shows.
"""

import json
from collections.abc import Iterator

import numpy as np

from benchmarks._figures import figure_at, say
from benchmarks._serving_house import SharedModel, kingpost_server, serving
from benchmarks._serving_rest import our_bodies
from kingpost.calls import LoadClient
from kingpost.models import OnnxScorer

__all__ = ["run_crossed"]

REQUESTS, IN_FLIGHT = 100_000, 256


def run_crossed(model: SharedModel) -> bool:
    """Print `crossed_answers`, `empty_answers` and `bits_unlike_alone`; say whether all are 0."""
    rows, alone = _unlike_rows(model)
    with serving(kingpost_server(model), model) as server:
        headers = {"authorization": f"Bearer {model.secret}"}
        client = LoadClient("127.0.0.1", server.port, headers, IN_FLIGHT)
        bodies = _first(our_bodies(rows), REQUESTS)
        report = client.run([client.post("/v1/decisions/classify", body) for body in bodies])
    row_of = {score: row for row, score in enumerate(alone)}
    crossed = empty = unlike = 0
    for answer in report.answers:
        score = None
        if answer.status == 200:
            score = json.loads(answer.body)["answer"]["score"]
        if score is None:
            empty += 1
        elif score != alone[answer.call]:
            crossed += score in row_of
            unlike += score not in row_of
    say(f"crossed: {len(report.answers):,} answers at {report.per_second():,.0f}/s")
    empty += REQUESTS - len(report.answers)
    figure_at("crossed_answers", crossed, "answers", 0, more_is_better=False)
    figure_at("empty_answers", empty, "answers", 0, more_is_better=False)
    figure_at("bits_unlike_alone", unlike, "answers", 0, more_is_better=False)
    return not crossed + empty + unlike


def _unlike_rows(model: SharedModel) -> tuple[np.ndarray, list[float]]:
    """Make rows of which no two have the same score, with the score that each has alone."""
    scorer = OnnxScorer((model.folder / "model.onnx").read_bytes())
    rng = np.random.default_rng(11)
    rows = np.empty((0, model.rows.shape[1]))
    alone: list[float] = []
    while len(alone) < REQUESTS:
        more = np.round(rng.normal(size=(REQUESTS, rows.shape[1])), 6)
        known = set(alone)
        fresh: list[int] = []
        for at in range(len(more)):
            score = scorer.score(more[at : at + 1].astype(np.float32))[0]
            if score not in known:
                known.add(score)
                alone.append(score)
                fresh.append(at)
        rows = np.concatenate([rows, more[fresh]])
    return rows[:REQUESTS], alone[:REQUESTS]


def _first(bodies: Iterator[bytes], count: int) -> Iterator[bytes]:
    for _, body in zip(range(count), bodies, strict=False):
        yield body
