"""Whatever is sent to a model is answered as the protocol says, in every form of the server."""

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.serving.oip import DATATYPES, BadTensor, tensor_from_json, tensor_from_raw
from tests.fast_lane_house import Answered, Form, House, Line

FORMS: tuple[Form, ...] = ("fast", "asgi", "worker")
PATHS = ("/v2/models/fraud/infer", "/v2/models/fraud.model/infer", "/v1/models/fraud:predict")
datatypes = st.sampled_from([*DATATYPES, "BYTES", "BF16", "", "FP8"])
shapes = st.lists(st.integers(-1, 5) | st.integers(0, 1 << 62), max_size=10)
words = st.text(max_size=8) | st.sampled_from(["features", "id", "at", "amount", "scores", "fraud"])
parameters = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "binary_data_output", "x"]),
    st.booleans() | st.integers(-1, 64) | st.text(max_size=4) | st.floats(allow_nan=False),
    max_size=3,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
inputs = st.fixed_dictionaries(
    {"name": words, "datatype": datatypes, "shape": shapes},
    optional={"data": anything, "parameters": parameters},
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.lists(inputs, max_size=4),
        "outputs": st.lists(st.fixed_dictionaries({"name": words}), max_size=3),
        "parameters": parameters,
        "instances": anything,
        "id": st.text(max_size=4),
    },
)


@given(datatypes, shapes, st.binary(max_size=64))
def test_bytes_are_a_tensor_or_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    try:
        read = tensor_from_raw("x", datatype, shape, memoryview(raw))
    except BadTensor:
        return

    if datatype != "BF16":
        assert read.raw() == raw


@given(datatypes, shapes, anything.map(lambda one: json.dumps(one).encode()) | st.binary())
def test_json_is_a_tensor_or_refused(datatype: str, shape: list[int], data: bytes) -> None:
    try:
        read = tensor_from_json("x", datatype, shape, data)
    except BadTensor:
        return

    again = tensor_from_raw("x", datatype, shape, memoryview(read.raw()))
    assert again.raw() == read.raw()


def asked(form: Form, path: str, body: bytes, length: str | None) -> Answered:
    """Ask a server of its own once."""

    async def ask() -> Answered:
        house = House()
        connection = Line(house, form)
        extra = [] if length is None else [f"inference-header-content-length: {length}"]
        connection.send(house.request(body, *extra, line=f"POST {path} HTTP/1.1"))
        (answer,) = await connection.answered(1)
        connection.close()
        house.app.close()
        return answer

    return asyncio.run(ask())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PATHS),
    requests.map(lambda one: json.dumps(one).encode()) | st.binary(max_size=64),
    st.binary(max_size=40),
    st.booleans(),
)
def test_all_forms_answer_alike_whatever_is_sent(
    path: str, head: bytes, tail: bytes, is_binary: bool
) -> None:
    body = head + tail if is_binary else head
    length = str(len(head)) if is_binary else None

    fast, slow, shared = (asked(form, path, body, length) for form in FORMS)

    assert fast == slow == shared
    assert fast.status in (200, 400, 409, 413, 503)
    if fast.status != 200:
        assert set(json.loads(fast.body)) >= {"error", "code", "trace_id"}
