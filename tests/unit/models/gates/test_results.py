"""Results as bytes, and the card that is made from them."""

import numpy as np
import pytest
from msgspec import structs

import kingpost as kp
from kingpost.models import (
    BadResults,
    GateResults,
    encode_results,
    gated_card,
    gated_card_html,
    judge_gates,
    read_results,
)
from tests.judged_rows import judged_rows, texts


def results(*, undecided: bool = False) -> GateResults:
    label = np.arange(100) % 4 == 0
    rows = judged_rows(
        label,
        np.where(label, 0.9, 0.2) - np.arange(100) / 1000,
        columns={"region": texts(["north", "south"] * 50)},
    )
    gates = kp.evaluation(
        kp.quality("auc_roc", at_least=0.99 if undecided else 0.5),
        kp.fair("demographic_parity_difference", by="region", at_most=0.9),
    )
    return GateResults(
        format=1,
        decision="fraud",
        bundle="b" * 64,
        model="m" * 64,
        champion="",
        data="d" * 64,
        rows=100,
        positives=25,
        first_us=0,
        last_us=1_000_000,
        learned_until_us=None,
        threshold=0.5,
        positive="fraud",
        asked=gates.spec,
        gates=judge_gates(gates, rows),
        environment={"numpy": "2"},
    )


def test_results_read_back_are_the_same_and_the_same_bytes() -> None:
    made = results()

    assert read_results(encode_results(made)) == made
    assert encode_results(read_results(encode_results(made))) == encode_results(made)
    with pytest.raises(BadResults, match="kingpost evaluate"):
        read_results(b'{"format":9}')


def test_the_verdict_is_that_of_the_worst_gate() -> None:
    passed, undecided = results(), results(undecided=True)
    failed = structs.replace(
        undecided,
        gates=(*undecided.gates, structs.replace(undecided.gates[0], verdict="failed")),
    )

    assert (passed.verdict, passed.not_passed) == ("passed", ())
    assert undecided.verdict == "undecided"
    assert failed.verdict == "failed"
    assert len(failed.not_passed) == 2


def test_a_card_tells_every_number_and_the_digest_in_both_forms() -> None:
    made, digest = results(), "f" * 64

    text = gated_card("# Model card: fraud\n", made, digest)
    page = gated_card_html('<article class="model-card"><p>x</p></article>', made, digest)

    assert text.startswith("# Model card: fraud\n\n## Evaluation gates\n")
    assert page.endswith("</table></div></section></article>")
    for told in (text, page):
        assert digest in told
        assert "auc_roc at least 0.5" in told
        assert "region = south" in told
        assert "all gates passed" in told
    assert gated_card_html("", made, digest) == ""
