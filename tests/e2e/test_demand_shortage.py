"""Is what is planned enough? Trained, approved and asked: over the API as in a batch."""

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.client import Client
from kingpost.features import Requests, feature_matrix
from solutions.demand.app import shortage
from solutions.demand.data import Collection
from solutions.demand.files import read_collections
from solutions.demand.orders import main, tomorrow
from solutions.demand.simulator import Simulation, write_files
from solutions.ground.server import Server

APP = Path(__file__).parents[2] / "solutions" / "demand" / "app.py"


def kingpost(directory: Path, *arguments: str) -> dict[str, object]:
    """Run a command, in this process, as there are many; return the object that it prints."""
    done = CliRunner().invoke(
        command_line,
        ["--data-dir", str(directory), *arguments, "--json"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Collection]:
    """Write 90 simulated days as files and as events; return the folder and the series."""
    folder = tmp_path_factory.mktemp("city")
    write_files(Simulation(series=1, days=90, grows_on=90), folder)
    bikes = folder / "bikes.parquet"
    assert main(["--data", str(bikes), "--out", str(folder / "events")]) == 0
    [collection] = read_collections(bikes)
    return folder, collection


def requests_of(collection: Collection) -> Sequence[dict[str, object]]:
    """Write the orders of the day after the last as requests."""
    orders = tomorrow(collection)
    columns = {name: orders.values(name) for name in orders.columns}
    columns["at"] = [f"{at}Z" for at in orders.numbers("at").astype("datetime64[us]")]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_tomorrow_is_answered_over_the_api_as_in_a_batch_and_by_features_as_computed_offline(
    city: tuple[Path, Collection], tmp_path: Path
) -> None:
    folder, collection = city
    data, events = tmp_path / "data", folder / "events"
    for stream in ("sale", "order", "outcome"):
        told = kingpost(data, "ingest", str(APP), stream, str(events / f"{stream}.parquet"))
        assert told["quarantined"] == 0
    trained = kingpost(data, "train", str(APP), "shortage")
    kingpost(data, "approve", str(APP), "shortage", "--reason", "read the card")
    secret = str(
        kingpost(data, "keys", "create", "--scope", "decide", "--scope", "records")["secret"]
    )

    scored = kingpost(
        data, "score", str(APP), "shortage", str(events / "tomorrow.parquet"),
        "--out", str(tmp_path / "scored"),
    )  # fmt: skip
    with Server(APP, data, 0) as server, Client(server.url, secret) as client:
        answers = [client.decide("shortage", request) for request in requests_of(collection)]
        records = [client.records.get(answer.id) for answer in answers]

    with duckdb.connect() as database:
        batch = database.execute(
            f"SELECT id, score, outcome FROM '{tmp_path}/scored/part-*.parquet'"
        ).fetchall()
    online = [(str(r["id"]), a) for r, a in zip(requests_of(collection), answers, strict=True)]
    assert scored["rows"] == len(answers) == 24
    assert [(key, a.answer["score"], a.outcome) for key, a in online if a.answer] == batch
    assert {"decided", "review"} == {outcome for *_, outcome in batch}

    orders = tomorrow(collection)
    offline = feature_matrix(
        shortage.features, Requests(orders, np.arange(24)), collection.history()
    )
    for row, record in zip(offline, records, strict=True):
        assert record.features == {
            name: None if np.isnan(value) else value
            for name, value in zip(shortage.features.names, row.tolist(), strict=True)
        }
    assert kingpost(data, "verify")["different"] == 0
    assert float(str(trained["auc_roc"])) > 0.8


def test_files_without_bikes_hold_no_orders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(Simulation(series=1), tmp_path)
    (tmp_path / "bikes.parquet").unlink()

    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "events")]) == 1
    assert "holds no bikes; give dteday" in capsys.readouterr().err
