"""The tutorial runs as it is written: its files, its commands, in its order.

A ```` ```python ```` block that begins with `# <name>.py` is that file; every ```` ```sh ````
block is run, in one shell, and must succeed; ```` ```sh server ```` goes on in the background
until the end; ```` ```sh no-run ```` is left out. Only the port is another.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial-own-decision.md"
BLOCK = re.compile(r"^```(?P<says>[a-z][a-z -]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")
PAGES = ("/", "/inbox", "/records", "/incidents", "/models", "/approvals", "/decisions/late")
PATIENCE_S = 120
WAIT = """\
until curl -s -o /dev/null http://127.0.0.1:{port}/health/ready; do
    kill -0 $SERVER
    sleep 0.2
done
"""


@dataclass(frozen=True)
class Tutorial:
    """What the page gave when it was followed; the server still runs."""

    directory: Path
    output: str
    url: str

    @property
    def key(self) -> str:
        found = re.search(r"^kp_\w+$", self.output, re.MULTILINE)
        assert found, self.output
        return found[0]

    def fact(self, name: str) -> list[str]:
        """Return every value that a command printed under a name."""
        return re.findall(rf"^{name} +(\S+)$", self.output, re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    text = TUTORIAL.read_text(encoding="utf-8")
    return [(match["says"], match["text"]) for match in BLOCK.finditer(text)]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def script(port: int) -> str:
    """Join the shell blocks; the server's goes to the background, the last act ends it."""
    lines = ["set -euo pipefail"]
    for says, text in blocks():
        if says == "sh server":
            lines += [f"{text.strip()} > server.log 2>&1 &", "SERVER=$!", WAIT.format(port=port)]
        elif says == "sh":
            lines.append(text.replace("localhost:8080", f"127.0.0.1:{port}"))
    return "\n".join([*lines, "echo the end", "read -r _", "kill -TERM $SERVER", "wait $SERVER"])


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    directory = tmp_path_factory.mktemp("deliveries")
    for says, text in blocks():
        if says == "python" and (named := FILE.match(text)):
            (directory / named[1]).write_text(text, encoding="utf-8")
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", script(port)],
        cwd=directory,
        env={**os.environ, "PATH": path, "KINGPOST_PORT": str(port)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with shell:
        assert shell.stdout is not None
        assert shell.stdin is not None
        output = list[str]()
        for line in shell.stdout:
            output.append(line)
            if line == "the end\n":
                break
        yield Tutorial(directory, "".join(output), f"http://127.0.0.1:{port}")
        if "the end\n" in output:
            shell.communicate("\n")
        else:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, output


def test_every_command_of_the_page_succeeds(followed: Tutorial) -> None:
    assert followed.output.endswith("the end\n"), followed.output
    assert "Traceback" not in followed.output
    assert "Traceback" not in (followed.directory / "server.log").read_text()


def test_the_file_is_loaded_whole_and_the_features_agree(followed: Tutorial) -> None:
    assert followed.fact("accepted") == ["19,800", "19,800"]
    assert followed.fact("quarantined") == ["0", "0"]
    assert followed.fact("mismatches") == ["0"]


def test_the_model_is_as_good_as_the_page_says(followed: Tutorial) -> None:
    [auc] = followed.fact("auc roc")
    assert round(float(auc), 2) == 0.87
    assert "the area under the ROC curve is 0.87" in TUTORIAL.read_text(encoding="utf-8")


def test_the_first_question_is_answered_and_goes_to_a_person(followed: Tutorial) -> None:
    answers = [
        json.loads(each) for each in re.findall(r'\{"id":.*?\}$', followed.output, re.MULTILINE)
    ]

    assert (answers[0]["decision"], answers[0]["outcome"]) == ("late", "review")
    assert "review by dispatch" in answers[0]["reason"]
    assert '"accepted":200' in followed.output
    assert followed.fact("is equal") == ["True"]


def test_every_answer_can_be_found_with_how_it_turned_out(followed: Tutorial) -> None:
    with client(followed) as api:
        found = eventually(lambda: records(api, "late", limit=200), lambda lines: len(lines) == 200)
        labelled = eventually(
            lambda: records(api, "late", limit=200),
            lambda lines: sum(line["label"] is not None for line in lines) == 200,
        )
        mistakes = records(api, "late", mistaken=True, limit=200)

    assert {line["event_key"] for line in found} <= {f"d{n}" for n in range(19_800, 20_000)}
    assert 0 < len(mistakes) < len(labelled)
    assert all(line["label"]["value"] != line["stands"] for line in mistakes)


def test_what_the_model_was_not_sure_of_waits_for_a_person(followed: Tutorial) -> None:
    with client(followed) as api:
        unsure = records(api, "late", outcome="review", limit=200)
        tasks = eventually(
            lambda: api.get("/v1/tasks", params={"limit": 200}).json()["tasks"],
            lambda waiting: len(waiting) == len(unsure),
        )
        answered = api.post(
            f"/v1/tasks/{tasks[0]['id']}/override",
            json={"positive": True, "reason": "the carrier has called"},
        )

    assert {task["queue"] for task in tasks} == {"dispatch"}
    assert (answered.status_code, answered.json()["state"]) == (200, "closed")


def test_the_console_opens_with_the_key(followed: Tutorial) -> None:
    with httpx.Client(base_url=followed.url, timeout=60) as browser:
        form = browser.get("/login").text
        token = re.search(r'name="csrf" value="([^"]+)"', form)
        assert token
        signed_in = browser.post(
            "/login", data={"csrf": token[1], "key": followed.key, "next": "/"}
        )
        pages = {path: browser.get(path).status_code for path in PAGES}

    assert signed_in.status_code == 303
    assert pages == dict.fromkeys(PAGES, 200)


def client(followed: Tutorial) -> httpx.Client:
    """Return a client with the key of the page."""
    bearer = {"authorization": f"Bearer {followed.key}"}
    return httpx.Client(base_url=followed.url, headers=bearer, timeout=60)


def records(api: httpx.Client, decision: str, **asked: str | int | bool) -> list[Any]:
    """Search."""
    found: list[Any] = api.get("/v1/records", params={"decision": decision, **asked}).json()[
        "records"
    ]
    return found


def eventually(look: Callable[[], list[Any]], is_there: Callable[[list[Any]], bool]) -> list[Any]:
    """Look until it is there: the observer is behind the server by a second or so."""
    give_up = time.monotonic() + PATIENCE_S
    while not is_there(found := look()):
        assert time.monotonic() < give_up, found
        time.sleep(0.2)
    return found
