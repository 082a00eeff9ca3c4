"""Will this customer leave? One declaration, for a call and for a campaign.

What is known of a customer is a stream of accounts, the latest of which counts. A question
holds no more than whom it is about, so that a call centre asks it with an identifier, and a
campaign with a file of all of them; both read the same features from the same events.
"""

from typing import Annotated, Literal

import kingpost as kp
from kingpost.models import Folds, LightGbmTrainer, PastWeeks

YesNo = Literal["No", "Yes"]
Internet = Literal["No internet service", "No", "Yes"]

KEY_ACCOUNT = 110.0
"""From this monthly charge on, a person decides what a customer is offered."""


class Account(kp.Event):
    """What a customer has and pays, at the end of a billing month."""

    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    senior: bool
    partner: YesNo
    dependents: YesNo
    tenure: Annotated[int, kp.Range(ge=0)]
    phone: YesNo
    lines: Literal["No phone service", "No", "Yes"]
    internet: Literal["No", "DSL", "Fiber optic"]
    security: Internet
    backup: Internet
    protection: Internet
    support: Internet
    tv: Internet
    movies: Internet
    contract: Literal["Month-to-month", "One year", "Two year"]
    paperless: YesNo
    payment: Literal[
        "Electronic check",
        "Mailed check",
        "Bank transfer (automatic)",
        "Credit card (automatic)",
    ]
    monthly: Annotated[float, kp.Range(ge=0)]
    total: Annotated[float, kp.Range(ge=0)] | None = None


class Question(kp.Event):
    """Will the customer leave within a month?"""

    id: kp.Key[str]
    at: kp.EventTime
    customer: str


class Departure(kp.Event):
    """Whether the customer of a question left, known a month later."""

    question: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    left: bool


accounts = kp.stream(Account)
departures = kp.stream(Departure)

known = accounts.by("customer").latest(
    *("senior", "partner", "dependents", "tenure", "phone", "lines", "internet"),
    *("security", "backup", "protection", "support", "tv", "movies"),
    *("contract", "paperless", "payment", "monthly", "total"),
)
recent = accounts.by("customer").over("180d").features(accounts=kp.count())


@kp.feature
def extras(
    customer_security: float,
    customer_backup: float,
    customer_protection: float,
    customer_support: float,
    customer_tv: float,
    customer_movies: float,
) -> int:
    """How many services are booked beside the connection; a booked one has place 2."""
    booked = (
        *(customer_security, customer_backup, customer_protection),
        *(customer_support, customer_tv, customer_movies),
    )
    return sum(one == 2 for one in booked)


@kp.feature
def monthly_to_mean(
    customer_monthly: float, customer_total: float, customer_tenure: float
) -> float:
    """How high this month's charge is beside the mean of all months."""
    return customer_monthly * customer_tenure / customer_total if customer_total else 1.0


# rows are few: the models that hold rows out learn from all others, as the model itself does
trainer = LightGbmTrainer(weeks=PastWeeks(Folds(count=4, length="14d", gap="1d"), negatives=1))

churn = kp.decision(
    "churn",
    request=Question,
    features=[known, recent, extras, monthly_to_mean],
    model=kp.model("churn", trainer=trainer, label=departures.label("left")),
    gate=kp.gate(
        rules=[
            kp.rule("customer_accounts_180d", below=1, then=kp.refuse()),
            kp.rule(
                "customer_monthly", above=KEY_ACCOUNT, then=kp.review("retention", within="3d")
            ),
        ]
    ),
    budget=kp.budget(total="1s", features="20ms", model="50ms"),
)
