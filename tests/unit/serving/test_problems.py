"""One table of problems: complete, the same in the documentation, and silent on insides."""

import inspect
import json
import pickle
import re
import sqlite3
from pathlib import Path

import pytest

from kingpost import (
    access,
    decisions,
    jobs,
    journal,
    monitoring,
    records,
    registry,
    serving,
    storage,
    subjects,
    tasks,
    workflows,
)
from kingpost.contracts import ContractViolation
from kingpost.core import KingpostError
from kingpost.journal import JournalFailed, JournalFull, JournalReadOnly
from kingpost.serving import PROBLEMS
from kingpost.serving.errors import (
    BadHeader,
    BodyTimeout,
    BodyTooLarge,
    DecisionFailed,
    InternalError,
    MethodNotAllowed,
    NotReady,
    Overloaded,
    RequestHeadTooLarge,
    TooManyEvents,
    UnsupportedMediaType,
)
from kingpost.serving.problems import problem_answer

DOCS = Path(__file__).parents[3] / "docs" / "serving.md"
NOT_OVER_HTTP = {
    "TlsUnusable",
    "PortInUse",
    "BadAddress",
    "ObserverStoreFailed",
    "HttpWorkersNotReady",
}
TRACE = "0" * 31 + "1"
RAISED = [
    BadHeader("Idempotency-Key", "visible"),
    BodyTimeout(1.5),
    BodyTooLarge(1000),
    DecisionFailed("0199", "no_score"),
    InternalError(),
    MethodNotAllowed("GET"),
    NotReady("it is shutting down"),
    Overloaded(1),
    RequestHeadTooLarge(1000),
    TooManyEvents(10),
    UnsupportedMediaType("application/json"),
]


def errors_of(module: object) -> list[type[KingpostError]]:
    return [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, KingpostError)
    ]


def test_every_error_of_serving_has_its_status() -> None:
    codes = {one.code for one in errors_of(serving) if one.__name__ not in NOT_OVER_HTTP}

    assert codes <= set(PROBLEMS)


def test_every_code_of_the_table_is_some_errors_code() -> None:
    packages = (
        serving,
        access,
        decisions,
        jobs,
        journal,
        monitoring,
        records,
        registry,
        storage,
        subjects,
        tasks,
        workflows,
    )
    errors = [one for each in packages for one in errors_of(each)]

    assert set(PROBLEMS) <= {one.code for one in errors} | {ContractViolation.code}


def test_the_documentation_has_the_same_table() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.+?) \|$", DOCS.read_text(), re.MULTILINE)

    assert {code: (int(status), title) for status, code, title in rows} == {
        code: (problem.status, problem.title) for code, problem in PROBLEMS.items()
    }


@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.code)
def test_an_error_is_rendered_in_full_and_survives_pickling(error: KingpostError) -> None:
    answer = problem_answer(error, TRACE)

    document = json.loads(answer.body)
    assert document["code"] == error.code
    assert document["detail"] == str(error) == str(pickle.loads(pickle.dumps(error)))
    assert answer.status == PROBLEMS[error.code].status


def test_an_operators_error_says_nothing_of_the_machine() -> None:
    answer = problem_answer(JournalFailed(Path("/srv/secret"), "errno 5 on sdb"), TRACE)

    assert answer.status == 503
    assert b"secret" not in answer.body
    assert b"sdb" not in answer.body


def test_an_error_outside_the_table_is_an_internal_one(caplog: pytest.LogCaptureFixture) -> None:
    for error in (ValueError("a secret"), type("Odd", (KingpostError,), {"code": "odd"})()):
        answer = problem_answer(error, TRACE)
        assert json.loads(answer.body)["code"] == "internal_error"
        assert b"secret" not in answer.body

    assert [record.message for record in caplog.records] == ["unexpected_error"] * 2


def test_a_violation_of_the_whole_body_names_no_field() -> None:
    answer = problem_answer(ContractViolation("payment", "", "valid JSON", "truncated"), TRACE)

    document = json.loads(answer.body)
    assert document["field"] == ""
    assert document["detail"] == "body: expected valid JSON, found truncated"


@pytest.mark.parametrize(
    "error", [JournalFull(Path("/srv")), JournalReadOnly(Path("/srv"), "EROFS"), NotReady("full")]
)
def test_what_passes_says_when_to_come_back(error: KingpostError) -> None:
    answer = problem_answer(error, TRACE)

    assert answer.status == 503
    assert (b"retry-after", b"5") in answer.headers
    assert b"/srv" not in answer.body


def test_a_store_that_fails_is_no_internal_error() -> None:
    answer = problem_answer(sqlite3.OperationalError("disk I/O error at /srv/x"), TRACE)

    assert (answer.status, json.loads(answer.body)["code"]) == (503, "storage_failed")
    assert b"/srv" not in answer.body
