import ast
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kingpost.contracts import Contract, Event, contract_of
from kingpost.core import Place
from kingpost.features import FeatureSet, RowFeature, WindowFeatures
from kingpost.integrations.feast.importer import FeastImport, import_feast
from tests.feast_repositories import (
    CREDIT,
    DRIVERS,
    FRAUD,
    OLD_FORMS,
    declared,
    write_repository,
)

HERE = Path(__file__).parent


def imported(
    root: Path, files: Mapping[str, str], resolutions: Mapping[str, str] | None = None
) -> FeastImport:
    return import_feast(write_repository(root / "repo", dict(files)), resolutions)


def view_file(schema: str = 'Field(name="a", dtype=Float64)', **words: str) -> dict[str, str]:
    """Write a repository of one view `v`, with other arguments where given."""
    given = {
        "entities": "[e]",
        "source": 'FileSource(path="p", timestamp_field="t")',
        "schema": f"[{schema}]",
        **words,
    }
    arguments = ", ".join(f"{word}={value}" for word, value in given.items())
    head = (
        "from datetime import timedelta\nfrom feast import *\nfrom feast.types import *\n"
        "from feast.aggregation import Aggregation\n"
        'e = Entity(name="e", value_type=ValueType.INT64)\n'
    )
    return {"r.py": f'{head}v = FeatureView(name="v", {arguments})\n'}


def reason_of(made: FeastImport, name: str) -> str:
    (item,) = [item for item in made.items if item.name == name]
    assert item.state == "not_expressed"
    return item.reasons[0].what


def test_a_service_becomes_a_list_that_its_request_can_ask_for(tmp_path: Path) -> None:
    made = imported(tmp_path, DRIVERS)

    with declared(made.text, tmp_path) as module:
        request: Contract[Event] = contract_of(module.ActivityV1Request)
        features = FeatureSet(request, module.activity_v1, Place("here", 1))
        whole = FeatureSet(
            contract_of(module.ActivityV2Request), module.activity_v2, Place("here", 1)
        )

    assert features.names == (
        "driver_id_conv_rate",
        "driver_id_avg_daily_trips",
        "conv_rate_plus_extra",
        "conv_per_trip",
    )
    assert whole.names == (
        "driver_id_conv_rate",
        "driver_id_acc_rate",
        "driver_id_avg_daily_trips",
        "acc_rate_plus_more",
    )


def test_a_view_becomes_an_event_type_and_a_look_up_as_old_as_its_ttl(tmp_path: Path) -> None:
    made = imported(tmp_path, DRIVERS)

    with declared(made.text, tmp_path) as module:
        contract: Contract[Event] = contract_of(module.DriverHourlyStats)
        view = module.driver_hourly_stats
        assert isinstance(view, WindowFeatures)
        kinds = {field.name: (field.kind, field.role) for field in contract.fields}

    assert contract.name == "driver_hourly_stats"
    assert kinds == {
        "id": ("text", "key"),
        "event_timestamp": ("time", "event_time"),
        "created": ("time", "known_time"),
        "driver_id": ("integer", "value"),
        "conv_rate": ("number", "value"),
        "acc_rate": ("number", "value"),
        "avg_daily_trips": ("integer", "value"),
        "plate": ("text", "value"),
    }
    assert view.is_look_up
    assert view.windowed.windows[0].length_us == 2 * 86_400_000_000


def test_on_demand_features_compute_what_feast_would(tmp_path: Path) -> None:
    made = imported(tmp_path, CREDIT)

    with declared(made.text, tmp_path) as module:
        features: list[object] = module.credit_scoring
        functions = {one.name: one.function for one in features if isinstance(one, RowFeature)}

    assert functions["loan_to_income"](loan_amnt=500, person_income=1_000.0) == 0.5
    assert functions["is_heavy"](500, 1_000.0, 2.0) is True
    assert functions["is_heavy"](500, 1_000.0, 0.0) is False
    assert functions["is_medical"]("MEDICAL") is True
    assert functions["due_or_zero"](math.nan) == 0.0
    assert functions["due_or_zero"](-3.0) == 0
    assert functions["due_band"](100.0) == 1


def test_the_report_names_each_part_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    made = imported(tmp_path, CREDIT)

    told = {(item.name, str(item.at)): item.reasons[0] for item in made.of("not_expressed")}
    assert told.keys() == {
        ("zipcode_features:city", "features.py:23"),
        ("credit_history:opened", "features.py:43"),
        ("loan_features:rolling_due", "features.py:79"),
    }
    assert all(reason.mend for reason in told.values())
    assert '#       out["rolling_due"] = inputs["credit_card_due"].rolling(3).mean()' in made.text


def test_an_aggregation_is_a_window_once_its_resolution_is_chosen(tmp_path: Path) -> None:
    made = imported(tmp_path, FRAUD, {"user_payments:amount": "0.01"})

    with declared(made.text, tmp_path) as module:
        features = FeatureSet(contract_of(module.FraudRequest), module.fraud, Place("here", 1))
        amount = contract_of(module.UserPayments).by_name["amount"]

    assert features.names == (
        "user_id_sum_amount_1h",
        "user_id_count_amount_1h",
        "user_id_count_amount_1d",
        "user_id_max_items_1d",
        "user_id_mean_amount_1d",
        "user_id_merchant_id_amount_eur",
    )
    assert amount.digits == 2
    assert made.unused_resolutions == ()


def test_a_resolution_is_asked_for_and_never_guessed(tmp_path: Path) -> None:
    made = imported(tmp_path, FRAUD)

    assert "Resolution" not in made.text.partition("# Not expressed")[0]
    assert "last digit that counts" in reason_of(made, "user_payments:sum_amount_3600s")
    with declared(made.text, tmp_path) as module:
        assert "amount" not in contract_of(module.UserPayments).by_name


def test_a_resolution_that_no_column_takes_is_told(tmp_path: Path) -> None:
    assert imported(tmp_path, FRAUD, {"amuont": "0.01"}).unused_resolutions == ("amuont",)


def test_the_oldest_forms_are_read(tmp_path: Path) -> None:
    made = imported(tmp_path, OLD_FORMS)

    with declared(made.text, tmp_path) as module:
        request = contract_of(module.ValsRequest)
        features = FeatureSet(request, [module.stats, module.rate_and_val], Place("here", 1))

    assert features.names == ("driver_id_conv_rate", "driver_id_class_", "rate_and_val")
    assert [item.name for item in made.of("not_expressed")] == ["age"]


@pytest.mark.parametrize(
    ("aggregation", "feature"),
    [
        ('column="a", function="std", time_window=timedelta(days=1)', "e_std_a_1d"),
        (
            'column="a", function="count_distinct", time_window=timedelta(1)',
            "e_count_distinct_a_1d",
        ),
        ('column="a", function="last"', "e_last_a_all"),
        ('function="count", time_window=timedelta(minutes=90), name="n"', "e_n_90m"),
        ('"a", "min", 2 * timedelta(hours=1)', "e_min_a_2h"),
    ],
)
def test_aggregations_take_the_nearest_aggregate(
    tmp_path: Path, aggregation: str, feature: str
) -> None:
    view = view_file('Field(name="a", dtype=Int64)', aggregations=f"[Aggregation({aggregation})]")
    made = imported(tmp_path, view)

    with declared(made.text, tmp_path) as module:
        assert module.v.names == (feature,)


@pytest.mark.parametrize(
    ("view", "name", "what"),
    [
        (view_file(entities="[]"), "v", "belongs to no entity"),
        (view_file(schema=""), "v", "has no schema"),
        (view_file(schema='Field(name="a", dtype=Bytes)'), "v:a", "no field holds Bytes"),
        (view_file(ttl="timedelta(days=days())"), "v", "`days()` is computed when the code runs"),
        (view_file(schema='Field(name="e", dtype=Float32)'), "v", "its key 'e' is float"),
        (view_file(source="make()"), "v", "its source `make()` was not read"),
        (view_file(entities="[other]"), "v", "`other` is not in a file that was read"),
        (view_file(schema="*[Field(name=n, dtype=Int64) for n in 'ab']"), "v", "written out"),
        (view_file(schema="make()"), "v:`make()`", "no Field that is written out"),
        (view_file(**{"**extra": "1"}), "v", "unpacked"),
        (view_file(udf="lambda x: x"), "v:transformation", "`lambda x: x` is not applied"),
    ],
)
def test_what_cannot_be_known_or_held_is_not_guessed(
    tmp_path: Path, view: dict[str, str], name: str, what: str
) -> None:
    view = {file: text.replace("**extra=1", "**extra") for file, text in view.items()}

    assert what in reason_of(imported(tmp_path, view), name)


def test_a_view_without_created_timestamp_needs_no_delay(tmp_path: Path) -> None:
    assert 'v = v_rows.by("e").latest("a")' in imported(tmp_path, view_file()).text


def test_a_key_of_unknown_kind_and_a_missing_timestamp_are_to_be_checked(tmp_path: Path) -> None:
    view = view_file(source='FileSource(path="p")')
    view = {name: text.replace(", value_type=ValueType.INT64", "") for name, text in view.items()}

    made = imported(tmp_path, view)

    reasons = {item.name: item.reasons[0].what for item in made.of("to_check")}
    assert reasons["e"] == "nothing says what e is; `str` was written"
    assert reasons["v"].startswith("no timestamp_field is said")


def test_a_feature_of_two_views_in_one_service_is_told(tmp_path: Path) -> None:
    view = view_file()["r.py"]
    more = view.splitlines()[-1].replace('v = FeatureView(name="v"', 'w = FeatureView(name="w"')

    made = imported(
        tmp_path, {"r.py": f'{view}{more}\ns = FeatureService(name="s", features=[v, w])\n'}
    )

    (service,) = [item for item in made.items if item.name == "s"]
    assert service.state == "to_check"
    assert service.reasons[0].what == "e_a is the name of features of two views"


def test_modules_are_followed_by_imports_of_every_form(tmp_path: Path) -> None:
    made = imported(
        tmp_path,
        {
            "common/__init__.py": "from .entities import driver\n",
            "common/entities.py": 'from feast import Entity\ndriver = Entity(name="d")\n',
            "common/sources.py": "import feast\n"
            'src = feast.FileSource(path="p", timestamp_field="t")\n',
            "one.py": "from repo.common import driver\nimport common.sources as s\nimport feast\n"
            "from feast import types as ft\nROW = [feast.Field(name='x', dtype=ft.Int64)]\n"
            "v = feast.FeatureView(name='v', entities=[driver], source=s.src, schema=ROW + "
            "[feast.Field(name='y', dtype=ft.Bool)])\n",
        },
    )

    assert made.of("not_expressed") == []
    with declared(made.text, tmp_path) as module:
        assert module.v.names == ("d_x", "d_y")


def test_a_file_that_is_not_python_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    made = imported(tmp_path, {**DRIVERS, "broken.py": "x = (\n", "null.py": "a\0b"})

    assert reason_of(made, "broken.py") == "is not Python: '(' was never closed"
    assert "null" in reason_of(made, "null.py")
    assert "driver_hourly_stats" in made.text


def test_nothing_of_the_repository_runs(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"

    imported(tmp_path, {"a.py": f"{code}import feast\n", "__init__.py": code})

    assert not marker.exists()


def test_constants_that_double_themselves_end(tmp_path: Path) -> None:
    for first, more in (("'x'", "+"), ("[1]", "+"), ("7", "*")):
        doubled = "\n".join(f"n{i + 1} = n{i} {more} n{i}" for i in range(39))
        view = view_file(ttl="n39", tags="{'a': n39}")["r.py"]

        made = imported(tmp_path, {"r.py": f"n0 = {first}\n{doubled}\n{view}"})

        assert [item.name for item in made.of("not_expressed")][:1] == ["e"]


def test_names_that_lead_to_themselves_end(tmp_path: Path) -> None:
    made = imported(tmp_path, {"r.py": "from feast import *\na = b\nb = a\nfrom r import c\n"
                               "v = FeatureView(name='v', entities=a, source=c)\n"})  # fmt: skip

    assert "leads too far" in reason_of(made, "v")


hostile = st.text(
    st.sampled_from(
        ["a", "_", '"', "'", "\\", "\n", "\r", "\u2028", "\f", "#", "{", "é", "\0", " "]
    ),
    min_size=1,
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(view=hostile, feature=hostile, about=hostile, path=hostile)
def test_no_text_of_the_repository_becomes_code(
    tmp_path: Path, view: str, feature: str, about: str, path: str
) -> None:
    files = view_file(
        f"Field(name={feature!r}, dtype=Int64, description={about!r})",
        source=f"FileSource(name={view!r}, path={path!r}, timestamp_field='t')",
        tags=f"{{{about!r}: {path!r}}}",
        owner=f"{about!r}",
    )
    files = {name: text.replace('name="v"', f"name={view!r}") for name, text in files.items()}

    made = imported(tmp_path, files)

    tree = ast.parse(made.text)
    assert [type(one) for one in tree.body] == [ast.Import, ast.ClassDef, ast.Assign, ast.Assign]
    with declared(made.text, tmp_path):
        pass


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
@given(
    name=st.sampled_from(["definitions.py", "views.py", "features.py"]),
    at=st.floats(0, 1),
    length=st.integers(0, 40),
    put=st.sampled_from(["", "None", "[]", "{}", "-1", "x", "'t'", "lambda x: x", "*", "v", "0.5"]),
)
def test_a_damaged_repository_is_reported_and_what_is_written_is_still_python(
    tmp_path: Path, name: str, at: float, length: int, put: str
) -> None:
    whole = {**FRAUD, **CREDIT, **DRIVERS}
    start = round(at * len(whole[name]))
    damaged = whole[name][:start] + put + whole[name][start + length :]

    made = imported(tmp_path, {**whole, name: damaged}, {"amount": "0.01"})

    ast.parse(made.text)
    assert made.items
