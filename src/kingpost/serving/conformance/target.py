"""The server that is checked, the model that is asked, and a request that it can answer."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, cast

import httpx

from kingpost.core import KingpostError

__all__ = ["Answered", "Document", "NoModelToAsk", "Target", "TargetUnreachable", "find_model"]

_TIMEOUT_S = 30.0
_ZEROS = {"BOOL": False, "BYTES": "0"}

Document = dict[str, object]


class TargetUnreachable(KingpostError):
    """A server that does not answer, or not in HTTP."""

    code = "conformance_unreachable"
    retry_safe = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"{self.url} does not answer ({self.reason}); start it, or give another address"


class NoModelToAsk(KingpostError):
    """A server that lists no model, or not to this caller."""

    code = "conformance_no_model"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return f"{self.url} lists no model to ask; name one with --model, and look at the --key"


class Answered(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Document:
        """The JSON object in the body; empty when it holds none."""
        try:
            found: object = json.loads(self.body)
        except ValueError:
            return {}
        return cast("Document", found) if isinstance(found, dict) else {}


class Target:
    """One server.

    Args:
        key: Sent as a bearer token; empty sends none.
        model: The model to ask; empty asks none.
        request: A request that it can answer; without, zeros by its metadata.
        transport: Carries what is asked; HTTP without.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        model: str = "",
        request: bytes = b"",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self.model = url, model
        self.has_answered = False
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT_S, transport=transport
        )
        self._request = request

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def get(self, path: str) -> Answered:
        """Ask with GET.

        Raises:
            TargetUnreachable: There was no answer.
        """
        return self.send("GET", path, b"", {})

    def post(self, path: str, body: Document | bytes, **headers: str) -> Answered:
        """Ask with POST; a header is named with `_` for `-`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, content, {"content-type": "application/json"} | named)

    def infer(self, body: Document | bytes, **headers: str) -> Answered:
        """Ask the model."""
        return self.post(f"{self.path}/infer", body, **headers)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Ask for anything."""
        try:
            found = self._client.request(method, path, content=body, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetUnreachable(self.url, str(error) or type(error).__name__) from error
        self.has_answered = True
        return Answered(found.status_code, found.headers, found.content)

    @property
    def path(self) -> str:
        """Where the model is."""
        return f"/v2/models/{self.model}"

    @cached_property
    def extensions(self) -> Sequence[str]:
        """What the server says that it can beyond the core."""
        found = self.get("/v2").document.get("extensions")
        return [str(one) for one in cast("list[object]", found)] if isinstance(found, list) else []

    @cached_property
    def metadata(self) -> Document:
        """What the model says of itself."""
        return self.get(self.path).document

    @cached_property
    def example(self) -> Document:
        """A request that the model can answer: all data flat, nothing but inputs."""
        if self._request:
            given = cast("Document", json.loads(self._request))
            return {"inputs": given["inputs"]}
        return {"inputs": [_zeros(one) for one in tensors(self.metadata, "inputs")]}


def tensors(document: Document, name: str) -> list[Document]:
    """Return the tensors in a document, as far as they are some."""
    found = document.get(name)
    some = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Document", one) for one in some if isinstance(one, dict)]


def find_model(target: Target) -> str:
    """Return the name of a model that can be asked with zeros.

    The protocol has no list: it asks as Kingpost lists its decisions, and as Triton its models.

    Raises:
        NoModelToAsk: None is listed.
        TargetUnreachable: Nobody answers.
    """
    decisions = tensors(target.get("/v1/decisions").document, "decisions")
    if decisions:
        return f"{decisions[0].get('name')}.model"
    index = target.post("/v2/repository/index", {})
    try:
        found: object = json.loads(index.body) if index.status == 200 else []
    except ValueError:
        found = []
    models = tensors({"models": found}, "models")
    if not models:
        raise NoModelToAsk(target.url)
    return str(models[0].get("name", ""))


def _zeros(tensor: Document) -> Document:
    shape = [1 if size == -1 else int(str(size)) for size in cast("list[object]", tensor["shape"])]
    number = 1
    for size in shape:
        number *= size
    datatype = str(tensor["datatype"])
    zero: object = _ZEROS.get(datatype, 0.0 if datatype.startswith(("FP", "BF")) else 0)
    return {
        "name": tensor["name"],
        "datatype": datatype,
        "shape": shape,
        "data": [zero] * number,
    }
