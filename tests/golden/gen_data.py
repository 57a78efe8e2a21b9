"""Writes data.json: facts about scikit-learn's data sets that the embedded copies must share.

Run: python tests/golden/gen_data.py
Made with Python 3.11, NumPy 2.4.6, scikit-learn 1.9.1.
"""

import json
import pathlib

import numpy as np
from sklearn import datasets


def facts(data):
    x, y = data.data.astype(float), data.target.astype(float)
    return {
        "shape": list(x.shape),
        "column_means": x.mean(axis=0).tolist(),
        "column_sds": x.std(axis=0, ddof=1).tolist(),
        "target_sum": float(y.sum()),
        # An order-sensitive sum: a permuted or shifted copy has another one.
        "fingerprint": float((x.ravel() * np.cos(np.arange(x.size))).sum() + (y * np.sin(np.arange(y.size))).sum()),
    }


if __name__ == "__main__":
    golden = {
        "digits": facts(datasets.load_digits()),
        "breast_cancer": facts(datasets.load_breast_cancer()),
        "diabetes": facts(datasets.load_diabetes(scaled=False)),
        "breast_cancer_names": list(map(str, datasets.load_breast_cancer().feature_names)),
    }
    pathlib.Path(__file__).with_name("data.json").write_text(json.dumps(golden, indent=1) + "\n")
