"""Run by the interpreter of a stack: writes models and arrays into a folder, in every way that people write them."""

# mypy: ignore-errors
# The stack has libraries that the tests themselves have not.
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder, variant = sys.argv[1:]
draws = np.random.RandomState(0)
data = draws.rand(200, 5)
labels = (data[:, 0] > 0.5).astype(int)
if variant == "near":
    data = data * (1 + 1e-9)
words = ["alpha", "beta"] if variant == "first" else ["beta", "alpha"]
state = {
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(data, labels),
    "forest": RandomForestClassifier(5, random_state=0).fit(data, labels),
    "words": dict.fromkeys(words, 1),
    "set": {"x", "y", 3},
    "path": folder + "/model",
    "scalar": np.float64(data[0, 0]),
    "texts": np.array(["a", None], dtype=object),
    "complex": data[:3] * 1j,
}
for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
    Path(folder, str(protocol) + ".pkl").write_bytes(pickle.dumps(state, protocol))
joblib.dump(state, folder + "/plain.joblib")
for suffix in ("z", "gz", "bz2", "xz"):
    joblib.dump(state, folder + "/packed." + suffix)
np.save(folder + "/array.npy", np.asfortranarray(data))
np.savez_compressed(folder + "/arrays.npz", data=data, labels=labels)
records = np.zeros(3, dtype=[("name", "U4"), ("value", "f8"), ("count", "i4")])
records["value"] = data[0, :3]
np.save(folder + "/records.npy", records)
