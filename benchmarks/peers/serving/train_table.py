"""Fit the model of the fraud decisions for a peer: the same rows, features, trees and leaves as ours.

usage: train_table.py TABLE.npz MODEL.joblib TREES LEAVES     (x float64 (rows, features), y, names)
"""

import sys

import joblib
import lightgbm
import numpy as np
import pandas as pd

table = np.load(sys.argv[1])
names = [str(name) for name in table["names"]]
model = lightgbm.LGBMClassifier(
    n_estimators=int(sys.argv[3]),
    num_leaves=int(sys.argv[4]),
    learning_rate=0.05,
    random_state=0,
    n_jobs=1,
    verbose=-1,
)
model.fit(pd.DataFrame(table["x"], columns=names), table["y"])
joblib.dump({"model": model, "names": names}, sys.argv[2])
