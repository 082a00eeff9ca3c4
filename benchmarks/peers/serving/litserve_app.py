"""LitServe with batching over the ONNX model.

usage: litserve_app.py PORT     (`MODELS` names the folder of the models)
"""

import os
import sys

import litserve as ls
import numpy as np
import onnxruntime as ort


class Classifier(ls.LitAPI):
    def setup(self, device):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        path = os.path.join(os.environ["MODELS"], "model.onnx")
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[1].name

    def decode_request(self, request):
        return np.asarray(request["features"], dtype=np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        return self.session.run([self.output], {self.input: x})[0][:, 1]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"probability": float(output)}


if __name__ == "__main__":
    api = Classifier(max_batch_size=32, batch_timeout=0.001)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        port=int(sys.argv[1]), num_api_servers=1, log_level="error", generate_client_file=False
    )
