"""How objectives are declared, and what cannot be one."""

import pytest

import kingpost as kp
from kingpost.decisions import WrongDecision
from kingpost.monitoring import Objective
from tests.tiny_app import Payment, chargebacks, fraud, spend, train

DAY_US = 86_400_000_000


def test_an_objective_is_a_share_over_a_period_with_or_without_a_time() -> None:
    assert kp.slo("answered", 0.999) == Objective("answered", 0.999, 30 * DAY_US, None)
    assert kp.slo("fast", 0.99, within="50ms", over="28d") == Objective(
        "fast", 0.99, 28 * DAY_US, 50_000
    )
    assert fraud.slos == ()


@pytest.mark.parametrize(
    ("name", "share", "over", "within", "said"),
    [
        ("Fast", 0.9, "30d", None, "cannot be the name"),
        ("fast", 1.0, "30d", None, "a share above 0 and below 1"),
        ("fast", 99.0, "30d", None, "a share above 0 and below 1"),
        ("fast", 0.9, "1h", None, "give 7d to 90d"),
        ("fast", 0.9, "30d", "quickly", "write it so"),
    ],
)
def test_what_cannot_be_promised_is_an_error(
    name: str, share: float, over: str, within: str | None, said: str
) -> None:
    with pytest.raises(WrongDecision, match=said):
        kp.slo(name, share, over=over, within=within)


def test_two_objectives_of_one_name_are_an_error() -> None:
    with pytest.raises(WrongDecision, match="two objectives are called 'fast'"):
        kp.decision(
            "fraud",
            request=Payment,
            features=[kp.field("amount"), spend],
            model=kp.model("fraud", trainer=train, label=chargebacks.label("fraud")),  # pyright: ignore[reportArgumentType]
            slos=[kp.slo("fast", 0.9), kp.slo("fast", 0.99)],
        )
