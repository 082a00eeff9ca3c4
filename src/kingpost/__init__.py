"""Kingpost: declare a decision once; serve it, record it, prove it.

    import kingpost as kp

What a declaration needs is here; everything else is in the packages, by its name. Names
are loaded when they are first used, so that a command line starts in milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kingpost.contracts import Dimension as Dimension
    from kingpost.contracts import Event as Event
    from kingpost.contracts import EventTime as EventTime
    from kingpost.contracts import Instant as Instant
    from kingpost.contracts import Key as Key
    from kingpost.contracts import KnownTime as KnownTime
    from kingpost.contracts import Length as Length
    from kingpost.contracts import Personal as Personal
    from kingpost.contracts import Range as Range
    from kingpost.contracts import Resolution as Resolution
    from kingpost.contracts import Subject as Subject
    from kingpost.contracts import Vector as Vector
    from kingpost.core import KingpostError as KingpostError
    from kingpost.decisions import alarm as alarm
    from kingpost.decisions import budget as budget
    from kingpost.decisions import cache as cache
    from kingpost.decisions import decision as decision
    from kingpost.decisions import exposure as exposure
    from kingpost.decisions import fallback as fallback
    from kingpost.decisions import gate as gate
    from kingpost.decisions import model as model
    from kingpost.decisions import note_tokens as note_tokens
    from kingpost.decisions import refuse as refuse
    from kingpost.decisions import retraining as retraining
    from kingpost.decisions import review as review
    from kingpost.decisions import rule as rule
    from kingpost.decisions import slo as slo
    from kingpost.features import consented as consented
    from kingpost.features import count as count
    from kingpost.features import days_since as days_since
    from kingpost.features import decayed_count as decayed_count
    from kingpost.features import decayed_sum as decayed_sum
    from kingpost.features import described as described
    from kingpost.features import distinct as distinct
    from kingpost.features import feature as feature
    from kingpost.features import field as field
    from kingpost.features import first as first
    from kingpost.features import last as last
    from kingpost.features import max as max
    from kingpost.features import mean as mean
    from kingpost.features import min as min
    from kingpost.features import quantile as quantile
    from kingpost.features import ratio as ratio
    from kingpost.features import std as std
    from kingpost.features import stream as stream
    from kingpost.features import sum as sum
    from kingpost.features import top_k as top_k
    from kingpost.features import var as var
    from kingpost.integrations import pipeline as pipeline
    from kingpost.models import better_than_champion as better_than_champion
    from kingpost.models import business as business
    from kingpost.models import calibrated as calibrated
    from kingpost.models import evaluation as evaluation
    from kingpost.models import fair as fair
    from kingpost.models import latency as latency
    from kingpost.models import quality as quality
    from kingpost.models import running_cost as running_cost
    from kingpost.models import slice_quality as slice_quality
    from kingpost.monitoring import cost_budget as cost_budget
    from kingpost.monitoring import prices as prices
    from kingpost.workflows import Saga as Saga
    from kingpost.workflows import Workflows as Workflows
    from kingpost.workflows import apatched as apatched
    from kingpost.workflows import ask as ask
    from kingpost.workflows import effect_key as effect_key
    from kingpost.workflows import event as event
    from kingpost.workflows import patched as patched
    from kingpost.workflows import queue as queue
    from kingpost.workflows import retries as retries
    from kingpost.workflows import run as run
    from kingpost.workflows import schedule as schedule
    from kingpost.workflows import sleep as sleep
    from kingpost.workflows import sleep_until as sleep_until
    from kingpost.workflows import step as step
    from kingpost.workflows import together as together
    from kingpost.workflows import workflow as workflow
    from kingpost.workflows import workflow_id as workflow_id

_HOME = {
    "contracts": "Dimension Event EventTime Instant Key KnownTime Length "
    "Personal Range Resolution Subject Vector",
    "core": "KingpostError",
    "decisions": "alarm budget cache decision exposure fallback gate model note_tokens refuse retraining review "
    "rule slo",
    "features": "consented count days_since decayed_count decayed_sum described distinct feature field first last "
    "max mean min quantile ratio std stream sum top_k var",
    "integrations": "pipeline",
    "models": "better_than_champion business calibrated evaluation fair latency quality running_cost slice_quality",
    "monitoring": "cost_budget prices",
    "workflows": "Saga Workflows apatched ask effect_key event patched queue retries run schedule sleep sleep_until step "
    "together workflow workflow_id",
}
_PACKAGE_OF = {name: package for package, names in _HOME.items() for name in names.split()}

__all__ = [
    "Dimension",
    "Event",
    "EventTime",
    "Instant",
    "Key",
    "KingpostError",
    "KnownTime",
    "Length",
    "Personal",
    "Range",
    "Resolution",
    "Saga",
    "Subject",
    "Vector",
    "Workflows",
    "alarm",
    "apatched",
    "ask",
    "better_than_champion",
    "budget",
    "business",
    "cache",
    "calibrated",
    "consented",
    "cost_budget",
    "count",
    "days_since",
    "decayed_count",
    "decayed_sum",
    "decision",
    "described",
    "distinct",
    "effect_key",
    "evaluation",
    "event",
    "exposure",
    "fair",
    "fallback",
    "feature",
    "field",
    "first",
    "gate",
    "last",
    "latency",
    "max",
    "mean",
    "min",
    "model",
    "note_tokens",
    "patched",
    "pipeline",
    "prices",
    "quality",
    "quantile",
    "queue",
    "ratio",
    "refuse",
    "retraining",
    "retries",
    "review",
    "rule",
    "run",
    "running_cost",
    "schedule",
    "sleep",
    "sleep_until",
    "slice_quality",
    "slo",
    "std",
    "step",
    "stream",
    "sum",
    "together",
    "top_k",
    "var",
    "workflow",
    "workflow_id",
]


def __getattr__(name: str) -> object:
    package = _PACKAGE_OF.get(name)
    if package is None:
        raise AttributeError(f"module 'kingpost' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"kingpost.{package}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
