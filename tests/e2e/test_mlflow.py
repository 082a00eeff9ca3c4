"""Models from a real MLflow server and to it: the same bits, the lineage, and what is refused."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from kingpost.core import SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.models import OnnxScorer, random_rows
from tests.cli_app import PreparedShop, kingpost, write_history
from tests.e2e.test_cli import refused
from tests.e2e.test_import_model import FEATURES
from tests.e2e.test_python_model import application
from tests.mlflow_server import LocalMlflow, mlflow_server

TRAINING = """
import json, sys
import lightgbm, mlflow, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

features = sys.argv[1].split(",")
rng = np.random.default_rng(5)
rows = pd.DataFrame(rng.normal(size=(400, len(features))), columns=features).astype("float32")
fraud = (rows["amount"] + rng.normal(size=400) > 0.5).astype(int)
mlflow.set_experiment("cards")
tags = {"mlflow.source.git.commit": "0123abcd" * 5, "mlflow.user": "lin", "team": "risk|desk"}
with mlflow.start_run(run_name="first", tags=tags) as run:
    mlflow.log_params({"num_leaves": 7})
    mlflow.log_metrics({"auc": 0.75})
    source = "https://lin:secret@data.example.org/cards.parquet"
    mlflow.log_input(mlflow.data.from_pandas(rows, source=source, name="cards"), "training")
    told = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    trees = lightgbm.train(told, lightgbm.Dataset(rows, fraud), 15)
    named = {"signature": infer_signature(rows), "pip_requirements": []}
    mlflow.lightgbm.log_model(trees, name="trees", registered_model_name="trees", **named)
    other = rows[list(reversed(features))]
    turned = lightgbm.train(told, lightgbm.Dataset(other, fraud), 5)
    mlflow.lightgbm.log_model(
        turned, name="turned", registered_model_name="turned",
        signature=infer_signature(other), pip_requirements=[],
    )
    line = LogisticRegression().fit(rows.to_numpy(), fraud)
    mlflow.sklearn.log_model(
        line, name="pickled", registered_model_name="pickled",
        serialization_format="cloudpickle", pip_requirements=[],
    )
    mlflow.sklearn.log_model(
        line, name="skops", registered_model_name="skops",
        serialization_format="skops", pip_requirements=[],
    )
mlflow.MlflowClient().set_registered_model_alias("trees", "best", "1")
print(json.dumps({"run": run.info.run_id}))
"""

SCORING = """
import json, sys
import mlflow, numpy as np

rows = np.load("rows.npy")
uri = sys.argv[1]
np.save("onnx.npy", mlflow.pyfunc.load_model(uri).predict(rows)["probabilities"][:, 1])
np.save("lightgbm.npy", mlflow.lightgbm.load_model(uri).predict(rows))
client = mlflow.MlflowClient()
version = client.get_model_version(*uri.removeprefix("models:/").split("/"))
run = client.get_run(version.run_id)
print(json.dumps({
    "tags": version.tags, "params": run.data.params, "metrics": run.data.metrics,
    "data": [[one.dataset.name, one.dataset.digest] for one in run.inputs.dataset_inputs],
    "files": [one.path for one in client.list_artifacts(version.run_id)],
    "status": run.info.status, "by": run.data.tags["mlflow.user"],
}))
"""


class House(NamedTuple):
    """A server with models of others, and an installation with one of ours.

    Attributes:
        run: The one in which the others were trained.
    """

    mlflow: LocalMlflow
    shop: Path
    run: str


@pytest.fixture(scope="module")
def house(
    prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Generator[House]:
    directory = tmp_path_factory.mktemp("mlflow")
    (directory / "server").mkdir()
    prepared_shop.copied(directory / "shop")
    with mlflow_server(directory / "server") as server:
        told = server.run(TRAINING, directory, ",".join(FEATURES))
        yield House(server, directory / "shop", str(told["run"]))


def imported(house: House, directory: Path, uri: str, *options: str) -> dict[str, object]:
    command = ("mlflow", "import", uri, "shop_app.py", "risk", "--server", house.mlflow.url)
    return kingpost(directory, *command, *options, "--json")


def refusal(house: House, directory: Path, uri: str, *options: str) -> str:
    command = ("mlflow", "import", uri, "shop_app.py", "risk", "--server", house.mlflow.url)
    return refused(directory, *command, *options)


def elsewhere(house: House, directory: Path) -> Path:
    """Make another installation of the same application, with nothing in it."""
    (directory / "shop_app.py").write_bytes((house.shop / "shop_app.py").read_bytes())
    return directory


def served(directory: Path, version: int) -> bytes:
    shown = kingpost(
        directory, "models", "show", "shop_app.py", "--version", str(version), "--json"
    )
    store = DataDirectory(directory / "data").artefacts(disk=SystemDisk())
    return store.get(str(shown["artefact"]))


def test_a_trained_model_goes_to_mlflow_and_comes_back_elsewhere_to_the_bit(
    house: House, tmp_path: Path
) -> None:
    made = kingpost(
        house.shop, "mlflow", "export", "shop_app.py", "--server", house.mlflow.url, "--json"
    )
    there = elsewhere(house, tmp_path)
    back = imported(house, there, str(made["mlflow"]), "--by", "bob")

    x = random_rows(len(FEATURES), rows=2000).x
    scores = OnnxScorer(served(house.shop, 1)).scores(x)
    again = OnnxScorer(served(there, 1)).scores(x)
    assert scores.tobytes() == again.tobytes()
    assert (back["bundle"], back["threshold"]) == (made["bundle"], 0.5)
    np.save(tmp_path / "rows.npy", x)
    told = house.mlflow.run(SCORING, tmp_path, str(made["mlflow"]))
    # MLflow runs it on as many threads as there are, which add in an order of their own
    assert np.abs(np.load(tmp_path / "onnx.npy") - scores).max() < 1e-6
    assert np.abs(np.load(tmp_path / "lightgbm.npy") - scores).max() < 1e-5
    tags = cast("dict[str, str]", told["tags"])
    assert (tags["kingpost.onnx"], tags["kingpost.bundle"]) == (made["onnx"], made["bundle"])
    assert cast("dict[str, str]", told["params"])["num_leaves"] == "7"
    assert cast("dict[str, float]", told["metrics"])["auc_roc"] > 0.7
    [[_, digest]] = cast("list[list[str]]", told["data"])
    assert tags["kingpost.data"].startswith(digest)
    assert sorted(cast("list[str]", told["files"])) == [
        "bundle.json", "card.html", "card.md", "model",
    ]  # fmt: skip
    assert told["status"] == "FINISHED"
    by_trees = imported(house, there, str(made["mlflow"]), "--flavour", "lightgbm")
    assert served(there, int(str(by_trees["version"]))) == served(house.shop, 1)


def test_a_model_of_others_comes_with_its_lineage_and_without_passwords(
    house: House, tmp_path: Path
) -> None:
    there = elsewhere(house, tmp_path)

    made = imported(house, there, "models:/trees@best")

    assert (made["mlflow"], made["flavour"], made["run"]) == (
        "models:/trees/1", "lightgbm", house.run,
    )  # fmt: skip
    shown = kingpost(there, "models", "show", "shop_app.py", "--json")
    lineage = cast("dict[str, Any]", shown["lineage"])
    assert lineage["by"] == "lin"
    assert lineage["commit"] == "0123abcd" * 5
    assert (lineage["parameters"], lineage["metrics"]) == ({"num_leaves": "7"}, {"auc": 0.75})
    [data] = lineage["datasets"]
    assert (data["name"], data["context"], bool(data["digest"])) == ("cards", "training", True)
    assert "data.example.org/cards.parquet" in data["source"]
    assert "secret" not in json.dumps(lineage)
    assert json.loads(lineage["inputs"])[0]["name"] == "amount"
    assert cast("dict[str, object]", shown["parameters"])["mlflow_digest"] == made["digest"]
    card = str(kingpost(there, "models", "shop_app.py", "--card", "1", "--json")["card"])
    assert "| metric: auc | 0.75 |" in card
    assert "| tag: team | risk\\|desk |" in card


def test_a_version_whose_files_were_changed_is_refused_until_the_digest_is_named(
    house: House, tmp_path: Path
) -> None:
    there = elsewhere(house, tmp_path)
    first = imported(house, there, f"runs:/{house.run}/trees")
    again = imported(house, there, f"runs:/{house.run}/trees")
    [file] = [
        path
        for path in house.mlflow.files_of(house.run, "model.lgb")
        if b"[num_iterations: 15]" in path.read_bytes()
    ]
    sound = file.read_bytes()

    file.write_bytes(sound.replace(b"[num_iterations: 15]", b"[num_iterations: 16]"))
    try:
        says = refusal(house, there, f"runs:/{house.run}/trees")
        digest = says.partition("its digest is ")[2][:64]
        taken = imported(house, there, f"runs:/{house.run}/trees", "--digest", digest)
        other = refusal(house, there, f"runs:/{house.run}/trees", "--digest", "0" * 64)
    finally:
        file.write_bytes(sound)

    assert again["digest"] == first["digest"]
    assert "[mlflow_model_changed]" in says
    assert str(first["digest"]) in says
    assert taken["digest"] == digest
    assert "[mlflow_model_changed]" in other


def test_an_export_that_was_changed_at_the_server_is_refused_also_where_it_was_never_seen(
    house: House, tmp_path: Path
) -> None:
    command = ("mlflow", "export", "shop_app.py", "--name", "edited", "--server", house.mlflow.url)
    made = kingpost(house.shop, *command, "--json")
    [file] = house.mlflow.files_of(str(made["run"]), "model.onnx")
    file.write_bytes(file.read_bytes() + b"\x00")

    says = refusal(house, elsewhere(house, tmp_path), str(made["mlflow"]))

    assert "[mlflow_model_changed]" in says
    assert str(made["onnx"]) in says


class Leaves:
    """A pickle that makes a directory when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_not_loaded_unless_somebody_says_that_it_is_trusted(
    house: House, tmp_path: Path
) -> None:
    there = elsewhere(house, tmp_path)
    [file] = house.mlflow.files_of(house.run, "model.pkl")
    sound = file.read_bytes()

    file.write_bytes(pickle.dumps(Leaves(tmp_path / "loaded")))
    says = refusal(house, there, "models:/pickled/1")
    file.write_bytes(sound)
    made = imported(house, there, "models:/pickled/1", "--trusted")
    plain = imported(house, there, "models:/skops/1")

    assert "[untrusted_model]" in says
    assert not (tmp_path / "loaded").exists()
    assert str(made["library"]).startswith("scikit-learn")
    assert (
        OnnxScorer(served(there, 1)).scores(random_rows(len(FEATURES)).x).tobytes()
        == (
            OnnxScorer(served(there, int(str(plain["version"])))).scores(
                random_rows(len(FEATURES)).x
            )
        ).tobytes()
    )


def test_what_is_not_there_or_does_not_fit_is_refused_with_what_to_do(
    house: House, tmp_path: Path
) -> None:
    there = elsewhere(house, tmp_path)
    away = House(house.mlflow._replace(url="http://127.0.0.1:9"), house.shop, house.run)

    says = refusal(house, there, "models:/turned/1")
    assert "[not_imported]" in says
    assert "feature 1 of models:/turned/1 is 'to_usual', and 'amount' here" in says
    assert imported(house, there, "models:/turned/1", "--by-position")["version"] == 1
    assert "[no_mlflow_model]" in refusal(house, there, "models:/trees@worst")
    assert "[no_mlflow_model]" in refusal(house, there, f"runs:/{'0' * 32}/trees")
    assert "[bad_mlflow_model]" in refusal(house, there, "models:/trees/1", "--flavour", "onnx")
    assert "[mlflow_unreachable]" in refusal(away, there, "models:/trees/1")


def test_a_function_goes_to_mlflow_as_python_that_kingpost_loads(
    house: House, tmp_path: Path
) -> None:
    pytest.importorskip("pandas", reason="mlflow.pyfunc needs pandas")
    application(tmp_path)
    write_history(tmp_path)
    kingpost(tmp_path, "models", "register", "shop_app.py", "--json")
    command = ("mlflow", "export", "shop_app.py", "--name", "rule", "--server", house.mlflow.url)
    made = kingpost(tmp_path, *command, "--json")
    script = (
        "import mlflow, numpy as np, sys; model = mlflow.pyfunc.load_model(sys.argv[1]); "
        "print(model.predict(np.full((1, 12), 300, np.float32)).tolist())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(made["mlflow"])],
        cwd=house.shop.parent,
        env=os.environ | {"MLFLOW_TRACKING_URI": house.mlflow.url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [0.75]
    assert "[bad_mlflow_model]" in refusal(house, tmp_path, str(made["mlflow"]))
