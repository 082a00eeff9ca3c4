"""The endpoint of a typical tutorial: FastAPI, pydantic, joblib and a one-row pandas frame.

It only scores: the caller sends the finished features, nothing is checked beyond types,
nothing is recorded. `MODELS` names the folder of the model.
"""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

saved = joblib.load(os.path.join(os.environ["MODELS"], "model.joblib"))
model, names = saved["model"], saved["names"]
Row = create_model("Row", **{name: (float, ...) for name in names})
app = FastAPI()


@app.post("/predict")
def predict(row: Row):
    frame = pd.DataFrame([row.model_dump()])
    return {"probability": float(model.predict_proba(frame)[0, 1])}
