"""Ray Serve with @serve.batch over the native LightGBM booster, one replica.

usage: ray_app.py PORT     (`MODELS` names the folder of the models)
"""

import os
import signal
import sys

import lightgbm as lgb
import numpy as np
import ray
from ray import serve


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class Classifier:
    def __init__(self, path: str) -> None:
        self.model = lgb.Booster(model_file=path)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def score(self, rows: list) -> list:
        return self.model.predict(np.asarray(rows, dtype=np.float32), num_threads=1).tolist()

    async def __call__(self, request):
        return {"probability": await self.score((await request.json())["features"])}


if __name__ == "__main__":
    ray.init(
        num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=200_000_000
    )
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])},
        logging_config={"enable_access_log": False, "log_level": "ERROR"},
    )
    path = os.path.join(os.environ["MODELS"], "model.txt")
    serve.run(Classifier.bind(path), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
