"""What a hand-written endpoint can do: raw ASGI, msgspec, ONNX Runtime, one call per loop tick.

Nothing else: no names, no key, no record, no metrics. `MODELS` names the folder of the models.
"""

import asyncio
import os

import msgspec
import numpy as np
import onnxruntime as ort

HEADERS = [(b"content-type", b"application/json")]
MAX_BATCH = 64


class Row(msgspec.Struct):
    features: list[float]


decode = msgspec.json.Decoder(Row).decode
encode = msgspec.json.Encoder().encode
pending: list[tuple[list[float], asyncio.Future[float]]] = []
scheduled = False

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
options.log_severity_level = 3
session = ort.InferenceSession(
    os.path.join(os.environ["MODELS"], "model.onnx"), options, providers=["CPUExecutionProvider"]
)
INPUT, OUTPUT = session.get_inputs()[0].name, session.get_outputs()[1].name


def score(x: np.ndarray) -> np.ndarray:
    return session.run([OUTPUT], {INPUT: x})[0][:, 1]


def flush() -> None:
    global scheduled
    scheduled = False
    batch, rest = pending[:MAX_BATCH], pending[MAX_BATCH:]
    pending[:] = rest
    if rest:
        schedule()
    scores = score(np.array([row for row, _ in batch], dtype=np.float32)).tolist()
    for (_, future), value in zip(batch, scores):
        if not future.done():
            future.set_result(value)


def schedule() -> None:
    global scheduled
    if not scheduled:
        scheduled = True
        asyncio.get_running_loop().call_soon(flush)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    try:
        features = decode(body).features
    except msgspec.MsgspecError as error:
        await send({"type": "http.response.start", "status": 422, "headers": HEADERS})
        await send({"type": "http.response.body", "body": encode({"error": str(error)})})
        return
    future = asyncio.get_running_loop().create_future()
    pending.append((features, future))
    schedule()
    payload = encode({"probability": await future})
    length = (b"content-length", b"%d" % len(payload))
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": payload})
