"""The small application, asked as models: in one process, without a socket."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx

from kingpost.access import NO_LIMITS, KeyRing, Limits, MemoryKeys, create_key
from kingpost.decisions import Cache, Scorer
from kingpost.journal import Entry, scan
from kingpost.records import InferenceRecord, decode_inference
from kingpost.serving import RequestWatch, Sample, ServingSettings, build_app
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import BUNDLE, FakeClock, open_engine

__all__ = [
    "BINARY",
    "FEATURES",
    "VERSION",
    "ModelHouse",
    "binary_body",
    "in_bytes",
    "play",
    "tensor",
]

DATA = Path("/journal/data")
VERSION = BUNDLE.hex()
FEATURES = 7
"""How many features the small application's decision has."""
BINARY = "inference-header-content-length"


class ModelHouse:
    """The API of the small application, and a client that knows its keys."""

    def __init__(
        self,
        settings: ServingSettings | None = None,
        scorer: Scorer | None = None,
        cache: Cache | None = None,
        samples: Sequence[Sample] = (),
    ) -> None:
        self.disk, self.clock, self.store = SimulatedDisk(), FakeClock(), MemoryKeys()
        engine = open_engine(DATA, scorer, disk=self.disk, clock=self.clock, cache=cache)
        keys = KeyRing(self.store, self.clock)
        self.app = build_app(
            engine,
            keys,
            settings or ServingSettings(),
            self.clock,
            watch=RequestWatch(samples, self.clock) if samples else None,
        )
        self.key = self.key_of("acme", "decide", "records", "metrics")
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def key_of(self, tenant: str, *scopes: str, limits: Limits = NO_LIMITS) -> dict[str, str]:
        """Make a key, as the header that carries it."""
        made = create_key(self.store, self.clock, tenant=tenant, scopes=scopes, limits=limits)
        return {"authorization": f"Bearer {made.secret}"}

    async def get(self, path: str, key: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask with GET."""
        return await self.client.get(path, headers=self.key if key is None else key)

    async def post(
        self, path: str, body: bytes | Mapping[str, object], **headers: str
    ) -> httpx.Response:
        """Ask with POST."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(path, content=content, headers=self.key | named)

    async def infer(
        self, model: str, inputs: Sequence[object], *outputs: object, **fields: object
    ) -> httpx.Response:
        """Ask a model in JSON."""
        body: dict[str, object] = {"inputs": inputs, **fields}
        if outputs:
            body["outputs"] = outputs
        return await self.post(f"/v2/models/{model}/infer", body)

    def entries(self, kind: str) -> list[Entry]:
        """Return what lies in the journal."""
        return [
            entry
            for commit in scan(DATA, disk=self.disk)
            for entry in commit.entries
            if entry.kind == kind
        ]

    def inferences(self) -> list[InferenceRecord]:
        """Return the inferences that are on record."""
        return [decode_inference(entry.body) for entry in self.entries("inference")]


def play(
    scene: Callable[[ModelHouse], Awaitable[None]],
    settings: ServingSettings | None = None,
    scorer: Scorer | None = None,
    cache: Cache | None = None,
    samples: Sequence[Sample] = (),
) -> ModelHouse:
    """Let a scene play in a house of its own."""
    house = ModelHouse(settings, scorer, cache, samples)

    async def whole() -> None:
        async with house.client:
            await scene(house)

    try:
        asyncio.run(asyncio.wait_for(whole(), 20))
    finally:
        house.app.close()
    return house


def tensor(name: str, datatype: str, *data: object, shape: Sequence[int] = ()) -> dict[str, object]:
    """Write a tensor in JSON."""
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def binary_body(
    inputs: Sequence[tuple[str, str, Sequence[int], bytes]], **fields: object
) -> tuple[bytes, str]:
    """Write a request whose tensors are bytes; return it with the length of its JSON."""
    described = [
        {
            "name": name,
            "datatype": datatype,
            "shape": shape,
            "parameters": {"binary_data_size": len(raw)},
        }
        for name, datatype, shape, raw in inputs
    ]
    head = json.dumps({"inputs": described, **fields}).encode()
    return head + b"".join(raw for *_, raw in inputs), str(len(head))


def in_bytes(*values: str) -> bytes:
    """Write texts as elements of BYTES."""
    return b"".join(struct.pack("<I", len(one)) + one for one in map(str.encode, values))
