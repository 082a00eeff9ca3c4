"""What decisions cost: usage, prices, budgets; and what reviewers make of decisions."""

from kingpost.monitoring.costs.agreement import (
    Agreement,
    PairAgreement,
    agreements,
    cohen_kappa,
)
from kingpost.monitoring.costs.amounts import ATTO, amount_text, atto_of, shown_amount
from kingpost.monitoring.costs.book import CostBook
from kingpost.monitoring.costs.budget import ALERTS, CostBudget, cost_budget
from kingpost.monitoring.costs.plan import (
    EPOCH,
    CostLine,
    CostPlan,
    Owner,
    month_of,
    next_month,
)
from kingpost.monitoring.costs.prices import Prices, prices
from kingpost.monitoring.costs.report import (
    GROUPINGS,
    BudgetStanding,
    CostGroup,
    CostMonth,
    CostReport,
    Grouping,
    cost_month,
    cost_report,
)
from kingpost.monitoring.costs.store import CostStore
from kingpost.monitoring.costs.store_memory import MemoryCosts
from kingpost.monitoring.costs.store_sqlite import COST_MIGRATIONS, SqliteCosts
from kingpost.monitoring.costs.usage import (
    DAY_US,
    CostNews,
    GivenReview,
    RecordCost,
    TokenCost,
    Tokens,
    Usage,
    UsagePlace,
    merged,
    usage_of,
)

__all__ = [
    "ALERTS",
    "ATTO",
    "COST_MIGRATIONS",
    "DAY_US",
    "EPOCH",
    "GROUPINGS",
    "Agreement",
    "BudgetStanding",
    "CostBook",
    "CostBudget",
    "CostGroup",
    "CostLine",
    "CostMonth",
    "CostNews",
    "CostPlan",
    "CostReport",
    "CostStore",
    "GivenReview",
    "Grouping",
    "MemoryCosts",
    "Owner",
    "PairAgreement",
    "Prices",
    "RecordCost",
    "SqliteCosts",
    "TokenCost",
    "Tokens",
    "Usage",
    "UsagePlace",
    "agreements",
    "amount_text",
    "atto_of",
    "cohen_kappa",
    "cost_budget",
    "cost_month",
    "cost_report",
    "merged",
    "month_of",
    "next_month",
    "prices",
    "shown_amount",
    "usage_of",
]
