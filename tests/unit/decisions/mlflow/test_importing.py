"""A model brought from MLflow: pinned by digest, its features by name, its lineage told as text."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from kingpost.decisions import NotImported, check_fetched, mlflow_source, register_source
from kingpost.decisions.application import Application
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.registering import ModelSource, RegistrationPlan
from kingpost.integrations import FetchedModel, Lineage, MlflowDataset, MlflowModelChanged
from kingpost.models import Imported, import_model
from kingpost.registry import ControlLog, ModelVersion, digest_of
from tests.onnx_models import logistic_onnx
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock
from tests.tiny_app import APPLICATION, fraud

NAMES = fraud.features.names
LINEAGE = Lineage(server="http://mlflow", uri="models:/fraud/3", digest="a" * 64, by="lin")


def brought(directory: Path, lineage: Lineage = LINEAGE, *names: str) -> FetchedModel:
    file = directory / "model.onnx"
    file.write_bytes(logistic_onnx([0.01] * len(NAMES)))
    return FetchedModel(lineage, "onnx", file, names, None, ())


class House:
    """A registry on a disk in memory."""

    def __init__(self) -> None:
        self.where = DataDirectory(Path("/house"))
        self.disk, self.clock = SimulatedDisk(), StoppedClock()

    @property
    def control(self) -> ControlLog:
        return self.where.control_log(disk=self.disk, clock=self.clock)

    def register(self, source: ModelSource) -> ModelVersion:
        plan = RegistrationPlan(None, 0.5, "acme", "ann")
        application: Application = replace(APPLICATION, sources={"app.py": b"x"})
        return register_source(
            application, fraud, self.where, source, plan, disk=self.disk, clock=self.clock
        ).version


def imported(fetched: FetchedModel) -> Imported:
    return import_model(fetched.file, features=len(NAMES))


def test_the_last_import_of_a_version_says_which_files_it_has(tmp_path: Path) -> None:
    house, fetched = House(), brought(tmp_path)
    house.register(mlflow_source(fraud, imported(fetched), fetched))
    changed = brought(tmp_path, msgspec.structs.replace(LINEAGE, digest="b" * 64))
    other = brought(tmp_path, msgspec.structs.replace(changed.lineage, uri="models:/fraud/4"))

    check_fetched(fraud, fetched, house.control)
    check_fetched(fraud, other, house.control)
    with pytest.raises(MlflowModelChanged, match="its import as version 1 of 'fraud' says aaaa"):
        check_fetched(fraud, changed, house.control)
    check_fetched(fraud, changed, house.control, digest="B" * 64)
    house.register(mlflow_source(fraud, imported(changed), changed))

    check_fetched(fraud, changed, house.control)
    with pytest.raises(MlflowModelChanged, match="its import as version 2"):
        check_fetched(fraud, fetched, house.control)


def test_an_export_that_is_not_what_it_says_is_refused(tmp_path: Path) -> None:
    fetched = brought(tmp_path)
    sound = digest_of(fetched.file.read_bytes())

    check_fetched(fraud, replace(fetched, onnx=(sound, sound)), House().control)
    with pytest.raises(MlflowModelChanged, match="its export says 0000"):
        check_fetched(fraud, replace(fetched, onnx=(sound, "0" * 64)), House().control)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (tuple(reversed(NAMES)), f"feature 1 .* is '{NAMES[-1]}', and '{NAMES[0]}' here"),
        (NAMES[:-1], f"takes {len(NAMES) - 1} features and the decision has {len(NAMES)}"),
    ],
)
def test_other_features_are_refused_unless_their_position_is_meant(
    tmp_path: Path, names: tuple[str, ...], says: str
) -> None:
    fetched = brought(tmp_path, LINEAGE, *names)

    with pytest.raises(NotImported, match=says):
        check_fetched(fraud, fetched, House().control)
    check_fetched(fraud, fetched, House().control, by_position=True)
    check_fetched(fraud, brought(tmp_path, LINEAGE, *NAMES), House().control)


def test_its_lineage_is_kept_whole_and_told_as_text_that_is_no_markup(tmp_path: Path) -> None:
    told = msgspec.structs.replace(
        LINEAGE,
        tags={"note": "a|b\n<script>`x`", "mlflow.runName": "left out"},
        parameters={f"p{number}": "1" for number in range(100)},
        datasets=(MlflowDataset(name="cards", digest="74262ca0", context="training"),),
    )
    fetched = brought(tmp_path, told)
    house = House()
    source = mlflow_source(fraud, imported(fetched), fetched)

    version = house.register(source)

    store = house.where.artefacts(disk=house.disk)
    kept = msgspec.json.decode(store.get(str(version.parameters["lineage"])), type=Lineage)
    assert kept == told
    rows = dict(source.lineage_told)
    assert rows["data: training"] == "cards 74262ca0"
    assert rows["more"] == "44, in the version's lineage"
    card = store.get(version.artefacts.card).decode()
    assert "| data: training | cards 74262ca0 |" in card
    alone = brought(tmp_path, msgspec.structs.replace(told, parameters={}))
    last = mlflow_source(fraud, imported(alone), alone).lineage_told[-1]
    assert last == ("tag: note", "a\\|b &lt;script>'x'")
