"""Is this card payment fraud? The declaration: events, features, model, gate, budget.

The first fifteen features are those of the Fraud Detection Handbook: the amount, whether
it is night or weekend, what the customer usually spends, and how often the terminal
turned out to be compromised, as far as that was known a week ago. The others ask two
questions of the same events: how unusual is the amount for this customer, and has the
terminal been compromised for so long that it must soon be over? Times are UTC.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.models import Folds, JudgedRows, LightGbmTrainer, PastWeeks


class Transaction(kp.Event):
    """A card is used at a terminal."""

    id: kp.Key[int]
    at: kp.EventTime
    customer: int
    terminal: int
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Verdict(kp.Event):
    """What an investigation found out about a transaction, a week later."""

    transaction: kp.Key[int]
    at: kp.EventTime
    known_at: kp.KnownTime
    terminal: int
    fraud: bool
    loss: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


transactions = kp.stream(Transaction)
verdicts = kp.stream(Verdict)


@kp.feature
def weekend(at: kp.EventTime) -> bool:
    """Whether it is Saturday or Sunday."""
    return at.in_zone("UTC").weekday() >= 5


@kp.feature
def night(at: kp.EventTime) -> bool:
    """Whether it is before seven in the morning."""
    return at.in_zone("UTC").hour <= 6


by_customer, by_terminal = transactions.by("customer"), verdicts.by("terminal")
fraud_rate = kp.mean("fraud")

spend = by_customer.over("1d", "7d", "30d").features(count=kp.count(), mean=kp.mean("amount"))
risk = by_terminal.over("1d", "7d", "30d", delay="7d").features(count=kp.count(), risk=fraud_rate)

highest = by_customer.over("7d", "14d").features(max=kp.max("amount"))
usual = by_customer.over("30d", delay="14d").features(usual=kp.mean("amount"))
loss = by_terminal.over("7d", delay="7d").features(loss=kp.mean("loss"))
risk_before = by_terminal.over("7d", delay="14d").features(risk_14d_ago=fraud_rate)
risk_long_before = by_terminal.over("7d", delay="21d").features(risk_21d_ago=fraud_rate)
risk_past = by_terminal.over("7d", "30d", delay="28d").features(risk_28d_ago=fraud_rate)


@kp.feature
def amount_to_mean(amount: float, customer_mean_30d: float) -> float:
    """How high the amount is beside the customer's mean."""
    return amount / customer_mean_30d if customer_mean_30d else 0.0


@kp.feature
def highest_7d_to_usual(customer_max_7d: float, customer_usual_30d: float) -> float:
    """How high the week's highest amount is beside the mean of two weeks ago and before."""
    return customer_max_7d / customer_usual_30d if customer_usual_30d else 0.0


@kp.feature
def highest_14d_to_usual(customer_max_14d: float, customer_usual_30d: float) -> float:
    """How high the highest amount of two weeks is beside the mean before them."""
    return customer_max_14d / customer_usual_30d if customer_usual_30d else 0.0


@kp.feature
def loss_per_fraud(terminal_loss_7d: float, terminal_risk_7d: float) -> float:
    """What a fraud at the terminal costs: the amounts of all payments, or high ones only."""
    return terminal_loss_7d / terminal_risk_7d if terminal_risk_7d else 0.0


# two weeks lie between what is learned and what is judged: labels take one, the model another
trainer = LightGbmTrainer(weeks=PastWeeks(Folds(count=4, length="7d", gap="14d")))

REVIEW_COST = 5.0
"""What it costs to look at a genuine payment, in the currency of the amounts."""


def saved(rows: JudgedRows) -> NDArray[np.float64]:
    """Count the amount of each fraud that is caught, less the cost of each false alarm."""
    amount, caught = rows.numbers("amount"), rows.answer & rows.label
    return amount * caught - REVIEW_COST * (rows.answer & ~rows.label)


desk = kp.review("fraud-desk", within="4h", escalate_to="fraud-leads")

fraud = kp.decision(
    "fraud",
    request=Transaction,
    features=[
        *(kp.field("amount"), weekend, night, spend, risk),
        *(highest, usual, amount_to_mean, highest_7d_to_usual, highest_14d_to_usual),
        *(risk_before, risk_long_before, risk_past, loss, loss_per_fraud),
    ],
    model=kp.model("fraud", trainer=trainer, label=verdicts.label("fraud")),
    gate=kp.gate(
        min_confidence=0.75, otherwise=desk, rules=[kp.rule("amount", above=20_000, then=desk)]
    ),
    budget=kp.budget(total="1s", features="20ms", model="50ms"),
    evaluation=kp.evaluation(
        kp.quality("average_precision", at_least=0.5),
        kp.slice_quality("auc_roc", by="night", at_least=0.6),
        kp.calibrated(at_most=0.01),
        kp.fair("demographic_parity_difference", by="night", at_most=0.05),
        kp.latency(p99="50ms"),
        kp.running_cost(at_most_usd=1.0, cpu_hour_usd=0.05),
        kp.business(saved, at_least=0.0),
        kp.better_than_champion("average_precision"),
        undecided="accepted",  # the days that a retraining is judged on hold few frauds at night
    ),
)
