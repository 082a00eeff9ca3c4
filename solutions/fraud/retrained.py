"""The same decision, trained anew by itself when its data have become other ones.

A payment gateway that suddenly sends cents is such a change: what came before it says nothing
any more of what comes now. So the run learns from what came since, once six weeks of it have
their verdicts; the new model has to be better than the champion on four days that it had not
seen, and is then released: as a shadow, to a fifth of the cards, to half of them, to all.
"""

import kingpost as kp
from kingpost.models import Folds, LightGbmParameters, LightGbmTrainer, PastWeeks
from solutions.fraud.app import fraud, transactions, verdicts
from solutions.fraud.training import PLAN

__all__ = ["LEARNS_DAYS", "fraud", "retraining", "transactions", "verdicts"]

LEARNS_DAYS = 41
JUDGED_DAYS = 4

# less history than the first model had: fewer trees that take larger steps, and shorter folds
quick = LightGbmTrainer(
    LightGbmParameters(lambda_l2=10.0, rounds=100, learning_rate=0.1, min_data_in_leaf=20),
    weeks=PastWeeks(Folds(count=2, length="7d", gap="7d")),
)

retraining = kp.retraining(
    fraud,
    on=["drift"],
    plan=PLAN,
    trainer=quick,
    learn_from="breach",
    min_period=f"{LEARNS_DAYS}d",
    judged_on=f"{JUDGED_DAYS}d",
    shadow=300,
    canary=(20, 50, 100),
    stage_time="0s",
    stage_requests=100,
    assign_by="customer",
)
