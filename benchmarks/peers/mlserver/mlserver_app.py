"""Writes MLServer's settings and a model folder for its LightGBM runtime, then starts it.

usage: mlserver_app.py HTTP_PORT GRPC_PORT plain|adaptive     (`MODELS` names the folder of the models)
"""

import json
import os
import pathlib
import shutil
import sys


def main() -> None:
    http_port, grpc_port, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    home = pathlib.Path(os.environ["MODELS"])
    folder = home / f"mlserver_{mode}"
    folder.mkdir(exist_ok=True)
    shutil.copy(home / "model.txt", folder / "model.bst")
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": http_port,
        "grpc_port": grpc_port,
        "metrics_port": grpc_port + 1,
        "parallel_workers": 0,
        "use_structured_logging": False,
    }
    model = {
        "name": "m",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.bst", "version": "v1"},
    }
    if mode == "adaptive":
        model |= {"max_batch_size": 32, "max_batch_time": 0.001}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    mlserver = pathlib.Path(sys.executable).parent / "mlserver"
    os.execv(mlserver, [str(mlserver), "start", str(folder)])


if __name__ == "__main__":
    main()
