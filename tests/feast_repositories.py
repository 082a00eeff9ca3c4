"""Feast repositories in the shape of Feast's own examples, written for the tests."""

import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["CREDIT", "DRIVERS", "FRAUD", "OLD_FORMS", "declared", "write_repository"]

DRIVERS = {
    "feature_store.yaml": """\
project: driver_ranking
provider: local
registry: data/registry.db
online_store:
    type: sqlite  # in one file
    path: data/online.db
offline_store: {type: file}
""",
    "definitions.py": '''\
from datetime import timedelta
from typing import Any

import pandas as pd
from feast import (
    Entity, FeatureService, FeatureView, Field, FileSource, Project, PushSource, RequestSource,
)
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float32, Float64, Int64, String

DAY = timedelta(days=1)

project = Project(name="driver_ranking", description="Statistics of drivers")
driver = Entity(name="driver", join_keys=["driver_id"], description="who drives")

hourly = FileSource(
    name="hourly_stats",
    path="data/driver_stats.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)

stats = FeatureView(
    name="driver_hourly_stats",
    entities=[driver],
    ttl=DAY * 2,
    schema=[
        Field(name="driver_id", dtype=Int64),
        Field(name="conv_rate", dtype=Float32),
        Field(name="acc_rate", dtype=Float32),
        Field(name="avg_daily_trips", dtype=Int64, description="Trips of a usual day"),
        Field(name="plate", dtype=String),
        Field(name="embedding", dtype=Array(Float32)),
    ],
    online=True,
    source=hourly,
    tags={"team": "ranking"},
    owner="ranking@example.com",
)

asked = RequestSource(
    name="asked",
    schema=[Field(name="extra", dtype=Int64), Field(name="more", dtype=Int64)],
)


@on_demand_feature_view(
    sources=[stats, asked],
    schema=[
        Field(name="conv_rate_plus_extra", dtype=Float64),
        Field(name="conv_per_trip", dtype=Float64),
    ],
)
def changed_rate(inputs: pd.DataFrame) -> pd.DataFrame:
    """Shift the rate."""
    df = pd.DataFrame()
    df["conv_rate_plus_extra"] = inputs["conv_rate"] + inputs["extra"]
    df["conv_per_trip"] = (inputs["conv_rate"] / inputs["avg_daily_trips"]).fillna(0)
    return df


@on_demand_feature_view(
    sources=[stats[["acc_rate"]], asked],
    schema=[Field(name="acc_rate_plus_more", dtype=Float64)],
    mode="python",
)
def changed_rate_python(inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "acc_rate_plus_more": [
            rate + more for rate, more in zip(inputs["acc_rate"], inputs["more"])
        ]
    }


activity_v1 = FeatureService(
    name="activity_v1",
    features=[stats[["conv_rate"]], changed_rate],
    logging_config=LoggingConfig(destination=FileLoggingDestination(path="data/log")),
)
activity_v2 = FeatureService(name="activity_v2", features=[stats, changed_rate_python])

pushed = PushSource(name="pushed_stats", batch_source=hourly)
stats_fresh = FeatureView(
    name="driver_hourly_stats_fresh",
    entities=[driver],
    ttl=DAY,
    schema=[Field(name="conv_rate", dtype=Float32)],
    source=pushed,
)
''',
    "test_workflow.py": """\
from feast import FeatureStore


def run() -> None:
    FeatureStore(repo_path=".").apply([])


if __name__ == "__main__":
    run()
""",
}

CREDIT = {
    "feature_store.yaml": "project: credit_scoring\nprovider: aws\noffline_store:\n  type: redshift\n",
    "entities.py": """\
from feast import Entity, ValueType

zipcode = Entity(name="zipcode", value_type=ValueType.INT64, tags={"owner": "risk@example.com"})
dob_ssn = Entity(name="dob_ssn", join_keys=["dob_ssn"], value_type=ValueType.STRING)
""",
    "features.py": """\
import os.path as osp
from datetime import timedelta

import numpy as np
import pandas as pd
from entities import *
from feast import FeatureService, FeatureView, Field, FileSource, RedshiftSource, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Bool, Float64, Int64, String, UnixTimestamp

HERE = osp.dirname(osp.abspath(__file__))

zipcode_source = FileSource(
    path=f"{HERE}/data/zipcodes.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created_timestamp",
)
zipcode_features = FeatureView(
    name="zipcode_features",
    entities=[zipcode],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="city", dtype=String),
        Field(name="tax_returns_filed", dtype=Int64),
        Field(name="total_wages", dtype=Int64),
    ],
    source=zipcode_source,
)

history_source = RedshiftSource(
    query="SELECT *\\nFROM credit_history",
    timestamp_field="at",
    field_mapping={"missed payments": "missed_payments_2y"},
)
credit_history = FeatureView(
    name="credit_history",
    entities=[dob_ssn],
    ttl=timedelta(weeks=520),
    schema=[
        Field(name="missed_payments_2y", dtype=Int64),
        Field(name="credit_card_due", dtype=Float64),
        Field(name="bankrupt", dtype=Bool),
        Field(name="opened", dtype=UnixTimestamp),
    ],
    source=history_source,
)

loan = RequestSource(
    name="loan",
    schema=[
        Field(name="loan_amnt", dtype=Int64),
        Field(name="loan_intent", dtype=String),
        Field(name="person_income", dtype=Float64),
    ],
)

THRESHOLD = 0.4


@on_demand_feature_view(
    sources=[credit_history, loan],
    schema=[
        Field(name="loan_to_income", dtype=Float64),
        Field(name="is_heavy", dtype=Bool),
        Field(name="is_medical", dtype=Bool),
        Field(name="due_or_zero", dtype=Float64),
        Field(name="rolling_due", dtype=Float64),
        Field(name="log_income", dtype=Float64),
        Field(name="due_band", dtype=Int64),
    ],
)
def loan_features(inputs: pd.DataFrame) -> pd.DataFrame:
    out = pd.DataFrame(index=inputs.index)
    ratio = inputs["loan_amnt"] / inputs.person_income
    out["loan_to_income"] = ratio
    out["is_heavy"] = (ratio > THRESHOLD) & ~(inputs["missed_payments_2y"] == 0)
    out["is_medical"] = inputs["loan_intent"] == "MEDICAL"
    out["due_or_zero"] = inputs["credit_card_due"].fillna(0.0).clip(lower=0).astype("float64")
    out["rolling_due"] = inputs["credit_card_due"].rolling(3).mean()
    out["log_income"] = np.log1p(inputs["person_income"])
    out["due_band"] = np.where(inputs["credit_card_due"].between(0, 100), 1, 2)
    return out


scoring = FeatureService(
    name="credit-scoring", features=[zipcode_features, credit_history, loan_features]
)
""",
}

FRAUD = {
    "feature_store.yaml": "project: fraud\nprovider: gcp\nonline_store: redis\n",
    "sources.py": """\
from datetime import timedelta

from feast import KafkaSource
from feast.data_format import JsonFormat
from feast.infra.offline_stores.bigquery_source import BigQuerySource

batch = BigQuerySource(name="payments_batch", table="fraud.payments", timestamp_field="ts")
payments = KafkaSource(
    name="payments",
    kafka_bootstrap_servers="broker:9092",
    topic="payments",
    timestamp_field="ts",
    batch_source=batch,
    message_format=JsonFormat(
        schema_json="user_id string, merchant_id integer, amount double, items integer, ts timestamp"
    ),
    watermark_delay_threshold=timedelta(minutes=5),
)
""",
    "views.py": """\
from datetime import timedelta

from feast import Entity, FeatureService, Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.stream_feature_view import stream_feature_view
from feast.types import Float64, Int64, String

from sources import payments

user = Entity(name="user", join_keys=["user_id"])
merchant = Entity(name="merchant", join_keys=["merchant_id"])
HOUR = timedelta(hours=1)

user_payments = StreamFeatureView(
    name="user_payments",
    entities=[user],
    ttl=timedelta(days=30),
    schema=[Field(name="sum_amount_3600s", dtype=Float64)],
    timestamp_field="ts",
    source=payments,
    aggregations=[
        Aggregation(column="amount", function="sum", time_window=HOUR, slide_interval=HOUR / 12),
        Aggregation(column="amount", function="count", time_window=HOUR),
        Aggregation(column="amount", function="count", time_window=timedelta(days=1)),
        Aggregation(column="items", function="max", time_window=timedelta(days=1)),
        Aggregation(column="amount", function="mean", time_window=timedelta(days=1),
                    slide_interval=timedelta(minutes=10), name="mean_amount_1d"),
        Aggregation(column="merchant_id", function="geohash", time_window=HOUR),
    ],
)


@stream_feature_view(
    entities=[user, merchant],
    ttl=timedelta(days=1),
    mode="spark",
    schema=[Field(name="amount_eur", dtype=Float64)],
    timestamp_field="ts",
    source=payments,
)
def converted(df):
    from pyspark.sql.functions import col

    return df.withColumn("amount_eur", col("amount") * 0.9).drop("amount")


for window in (1, 7):
    StreamFeatureView(
        name=f"count_{window}d", entities=[user], source=payments, aggregations=[]
    )

fraud = FeatureService(name="fraud", features=[user_payments, converted])
""",
}

OLD_FORMS = {
    "repo.py": """\
import pandas as pd
from feast import Entity, Feature, FeatureView, FileSource, ValueType
from feast.data_source import RequestDataSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.request_feature_view import RequestFeatureView
from google.protobuf.duration_pb2 import Duration

source = FileSource(path="stats.parquet", event_timestamp_column="datetime")
driver = Entity(name="driver_id", value_type=ValueType.INT64)
view = FeatureView(
    name="stats",
    entities=["driver_id"],
    ttl=Duration(seconds=86400),
    features=[
        Feature(name="conv_rate", dtype=ValueType.FLOAT),
        Feature(name="class", dtype=ValueType.INT32),
    ],
    batch_source=source,
)
request = RequestDataSource(name="vals", schema={"val": ValueType.INT64})


@on_demand_feature_view(
    inputs={"stats": view, "vals": request},
    features=[Feature(name="rate_and_val", dtype=ValueType.DOUBLE)],
)
def together(features_df: pd.DataFrame) -> pd.DataFrame:
    df = pd.DataFrame()
    df["rate_and_val"] = features_df["conv_rate"] + features_df["val"]
    return df


age = RequestFeatureView(name="age", request_data_source=request)
""",
}


def write_repository(root: Path, files: dict[str, str]) -> Path:
    """Write a repository's files below a folder; return the folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@contextmanager
def declared(text: str, directory: Path) -> Generator[ModuleType, None, None]:
    """Import a module of declarations, and forget it after."""
    file = directory / "declared_from_feast.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[file.stem]
