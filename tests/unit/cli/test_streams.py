"""`kingpost streams` lists what is configured, and carries it without a server."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kingpost.cli.main import command_line
from kingpost.core import SystemDisk
from kingpost.integrations import Message, StreamAddressUnfit, quarantined
from tests.topics import Topic, read_all

APP = """
from typing import Annotated

import kingpost as kp


class Order(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str


class Signup(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    person: kp.Subject[str]
    name: Annotated[str, kp.Personal()]


orders, signups = kp.stream(Order), kp.stream(Signup)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def invoke(directory: Path, command: str, *arguments: str, **settings: str) -> Result:
    variables = {f"KINGPOST_{name.upper()}": value for name, value in settings.items()}
    app = str(directory / "app.py")
    return CliRunner().invoke(
        command_line,
        ["--data-dir", str(directory / "data"), "streams", command, app, *arguments],
        env={"KINGPOST_STREAMS_IN": None, "KINGPOST_STREAMS_OUT": None, **variables},
    )


def shown(done: Result) -> list[dict[str, object]]:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])["streams"]


def order(number: int) -> Message:
    body = f'{{"id":"o-{number}","at":"2018-08-01T12:00:00Z","customer":"c-{number % 2}"}}'
    return Message(body.encode(), id=str(number))


def topic(directory: Path, name: str, *messages: Message) -> Topic:
    made = Topic(f"file:{directory / name}")
    with closing(made.producer()) as producer:
        producer.open()
        producer.publish(messages)
    return made


def test_what_comes_in_is_taken_and_goes_out_again_and_is_listed(directory: Path) -> None:
    arriving = topic(directory, "in", order(1), order(2), Message(b"{", id="x"), order(1))
    leaving = Topic(f"file:{directory / 'out'}")
    urls = {
        "streams_in": f"order={arriving.url}",
        "streams_out": f"order={leaving.url}?key=customer",
    }

    before = shown(invoke(directory, "list", "--json", **urls))
    done = shown(invoke(directory, "follow", "--drain", "--json", **urls))
    after = shown(invoke(directory, "list", "--json", **urls))

    assert before == [
        {
            "stream": "order",
            "direction": direction,
            "topic": one.url,
            "waiting": waiting,
            "problem": None,
        }
        for direction, one, waiting in (("in", arriving, 4), ("out", leaving, 0))
    ]
    assert [one["waiting"] for one in after] == [0, 0]
    assert done[0] == {
        "stream": "order", "direction": "in", "accepted": 2, "duplicate": 1, "refused": 1,
    }  # fmt: skip
    assert [row.raw for row in quarantined(directory / "data/journal/data", disk=SystemDisk())] == [
        "{"
    ]
    invoke(directory, "follow", "--drain", "--json", **urls)
    with closing(leaving.consumer()) as consumer:
        consumer.open()
        assert [one.key for one in read_all(consumer, 2)] == ["c-1", "c-0"]
        assert consumer.waiting() == 2


def test_without_streams_it_says_how_to_name_them(directory: Path) -> None:
    done = invoke(directory, "list")

    assert done.exit_code != 0
    assert "no streams are configured" in str(done.exception)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("streams_in", "basket=file:/x", "declares no stream 'basket'"),
        ("streams_out", "records:fraud=file:/x", "declares no decision 'fraud'"),
        ("streams_out", "order=file:/x?key=shop", "no field 'shop'; it has id, at, customer"),
        ("streams_out", "signup=file:/x", "has personal content"),
        ("streams_in", "order=nats://ann:hunter2@host", "expected nats://host:4222/subject"),
    ],
)
def test_a_mistake_in_a_setting_is_told_at_once(
    directory: Path, setting: str, value: str, expected: str
) -> None:
    done = invoke(directory, "follow", **{setting: value})

    assert done.exit_code != 0
    assert expected in str(done.exception)
    assert "hunter2" not in str(done.exception)


def test_a_broker_that_is_away_is_listed_with_its_problem_and_no_password(
    directory: Path,
) -> None:
    url = "order=nats://ann:hunter2@127.0.0.1:1/orders"

    done = invoke(directory, "list", "--json", streams_in=url)

    [one] = shown(done)
    assert one["waiting"] is None
    assert str(one["problem"]).startswith("broker_away: nats://127.0.0.1:1/orders")
    assert "hunter2" not in done.output


def test_an_address_is_unfit_before_anything_is_made(directory: Path) -> None:
    done = invoke(directory, "follow", streams_out="order=nats://host/a?retries=3")

    assert isinstance(done.exception, StreamAddressUnfit)
    assert not (directory / "data").exists()
