"""A model of another library, imported, approved, served, replayed and explained as a trained one."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pytest

from tests.cli_app import PreparedShop, kingpost
from tests.e2e.test_cli import ORDER, ask, refused, running
from tests.onnx_models import network_onnx


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An installation with past requests' features beside it, and whether they were fraud."""
    directory = tmp_path_factory.mktemp("imported")
    secret = prepared_shop.copied(directory)
    kingpost(directory, "backfill", "shop_app.py", "--out", "features.parquet", "--json")
    with duckdb.connect() as database:
        database.sql(
            f"SELECT f.*, c.fraud FROM '{directory}/features.parquet' f "
            f"JOIN '{directory}/chargebacks.csv' c ON c.order = f.id"
        ).write_parquet(f"{directory}/labelled.parquet")
    return directory, secret


FEATURES = (
    "amount", "customer_n_6h", "customer_mean_6h", "customer_high_6h", "customer_last_6h",
    "customer_n_2d", "customer_mean_2d", "customer_high_2d", "customer_last_2d",
    "customer_rate_5d", "at_night", "to_usual",
)  # fmt: skip


def rows_of(directory: Path) -> tuple[Any, Any]:
    with duckdb.connect() as database:
        table: Any = database.sql(f"SELECT * FROM '{directory}/labelled.parquet'").fetchnumpy()
    masked: Any = np.ma  # its types are incomplete
    x = np.column_stack([masked.filled(masked.asarray(table[name], float), 0) for name in FEATURES])
    return x.astype(np.float32), table["fraud"].astype(float)


def write_lightgbm(directory: Path) -> None:
    library: Any = import_module("lightgbm")
    x, y = rows_of(directory)
    rows = library.Dataset(x, y, params={"verbosity": -1, "num_threads": 1})
    told = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    library.train(told, rows, 25).save_model(str(directory / "mine.txt"))


def test_an_imported_model_is_approved_served_replayed_and_explained(
    shop: tuple[Path, str],
) -> None:
    directory, secret = shop
    write_lightgbm(directory)

    made = kingpost(
        directory, "models", "import", "mine.txt", "shop_app.py", "risk", "--rows",
        "labelled.parquet", "--label", "fraud", "--time", "at", "--by", "ann", "--json",
    )  # fmt: skip

    assert (made["version"], made["format"], made["drawn_rows"]) == (2, "lightgbm", False)
    assert cast("float", made["difference"]) < 1e-6
    assert cast("float", made["auc_roc"]) > 0.8
    listed = kingpost(directory, "models", "shop_app.py", "--json")
    bundles = cast("list[dict[str, Any]]", listed["bundles"])
    assert [one["approved"] for one in bundles] == [True, False]
    bundle = str(made["bundle"])
    kingpost(
        directory, "approve", "shop_app.py", "--bundle", bundle[:12], "--reason", "x", "--json"
    )
    with running(directory) as url:
        status, told = ask(url, secret, ORDER | {"id": "imported-1"})
    assert status == 200
    replayed = kingpost(directory, "replay", str(told["id"]), "--json")
    assert (replayed["is_equal"], replayed["answer"]) == (True, told["answer"])
    why = kingpost(directory, "explain", str(told["id"]), "--json")
    assert len(cast("list[object]", why["lines"])) == len(FEATURES)
    card = str(kingpost(directory, "models", "shop_app.py", "--card", "2", "--json")["card"])
    assert "`mine.txt`, a model of lightgbm" in card
    assert "Whether the model had learned from them is not known here." in card
    assert "no_card_page" in refused(directory, "models", "shop_app.py", "--card", "2", "--html")


def test_what_cannot_be_imported_is_refused_with_what_to_do(shop: tuple[Path, str]) -> None:
    directory, _ = shop
    estimators: Any = import_module("sklearn.linear_model")
    x, y = rows_of(directory)
    narrow = estimators.LogisticRegression(max_iter=2000).fit(x[:, :3], y)
    import_module("joblib").dump(narrow, directory / "narrow.joblib")
    (directory / "other.csv").write_text("amount,fraud\n1,0\n")
    into = ("shop_app.py", "risk")

    assert "--trusted" in refused(directory, "models", "import", "narrow.joblib", *into)
    trusted = ("models", "import", "narrow.joblib", *into, "--trusted")
    assert "takes 3 features, and 12" in refused(directory, *trusted)
    says = refused(directory, *trusted, "--rows", "other.csv")
    assert "bad_rows" in says
    assert "customer_n_6h" in says
    assert "no such file" in refused(directory, "models", "import", "no.onnx", *into)
    assert json.dumps(kingpost(directory, "models", "shop_app.py", "--json")).count('"name"') <= 2


def test_a_network_is_made_smaller_behind_the_gate_and_served_one_by_one(
    shop: tuple[Path, str],
) -> None:
    directory, secret = shop
    (directory / "network.onnx").write_bytes(network_onnx(len(FEATURES), 1024))
    rows = ("--rows", "labelled.parquet", "--label", "fraud")
    into = ("shop_app.py", "risk")
    kingpost(directory, "models", "import", "network.onnx", *into, *rows, "--json")

    refusal = refused(directory, "models", "optimise", *into, *rows, "--prune", "0.9")
    small = kingpost(
        directory, "models", "optimise", *into, *rows, "--alone", "--most-loss", "1", "--json"
    )
    shown = kingpost(directory, "models", "show", *into, "--json")

    assert "[optimised_worse]" in refusal
    assert cast("dict[str, Any]", small["after"])["batching"] == "one_by_one"
    assert (shown["version"], shown["batching"]) == (small["version"], "one_by_one")
    assert "in batches of" in str(shown["batching_because"])
    bundle = str(small["bundle"])[:12]
    kingpost(directory, "approve", "shop_app.py", "--bundle", bundle, "--reason", "x", "--json")
    with running(directory) as url:
        status, told = ask(url, secret, ORDER | {"id": "small-1"})
    assert status == 200
    assert kingpost(directory, "replay", str(told["id"]), "--json")["is_equal"] is True
    trees = ("--version", "1", *rows)
    assert "[cannot_optimise]" in refused(directory, "models", "optimise", *into, *trees)
