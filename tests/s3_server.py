"""An S3-shaped object store on this machine, in a process of its own."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from kingpost.decisions import ObjectStore

__all__ = ["BUCKET", "CREDENTIALS", "LocalStore", "s3_server"]

BUCKET = "kept"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}
_SERVE = """
import sys
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app

server = make_server(
    "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True
)
print(server.port, flush=True)
server.serve_forever()
"""


class LocalStore(NamedTuple):
    """Where it is, with one bucket."""

    port: int

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def read(self, key: str) -> bytes:
        """Read an object."""
        body = self._opened().get(key)
        assert body is not None
        return body

    def write(self, key: str, body: bytes) -> None:
        """Write an object."""
        self._opened().put(key, body)

    def listed(self) -> list[str]:
        """List the objects."""
        with urllib.request.urlopen(f"{self.endpoint}/{BUCKET}?list-type=2") as answer:
            text = answer.read().decode()
        return [part.partition("</Key>")[0] for part in text.split("<Key>")[1:]]

    def _opened(self) -> ObjectStore:
        return ObjectStore(f"s3://{BUCKET}", self.endpoint)


@contextmanager
def s3_server() -> Generator[LocalStore, None, None]:
    """Run one with an empty bucket."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **CREDENTIALS},
    )
    assert process.stdout is not None
    try:
        store = LocalStore(int(process.stdout.readline()))
        _made(store)
        yield store
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _made(store: LocalStore) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            _ask("PUT", f"{store.endpoint}/{BUCKET}", b"")
            return
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _ask(method: str, url: str, body: bytes) -> None:
    request = urllib.request.Request(url, method=method, data=body)
    with urllib.request.urlopen(request) as answer:
        answer.read()
