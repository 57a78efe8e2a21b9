"""Writes the embedded data sets beside this file from the copies in scikit-learn and Matplotlib.

Run: python ed-core/src/data/make_data.py
Made with Python 3.11, NumPy 2.4.6, scikit-learn 1.9.1, Matplotlib 3.11.2.

digits.bin         per image 64 intensities 0..=16 of five bits each, most significant bit first (40 bytes an image);
                   then all labels, one byte each
breast_cancer.bin  569 rows of 30 features, little-endian f32; then the classes, one byte each (1 = benign)
diabetes.csv       first line the names, then 10 features in their own units and the target
terrain.bin        86 rows of 100 elevations, the southernmost first, in whole metres, little-endian u16
"""

import pathlib

import numpy as np
from matplotlib import cbook
from sklearn import datasets

HERE = pathlib.Path(__file__).parent


def digits():
    data = datasets.load_digits()
    intensities = data.data.astype(np.uint8)
    assert intensities.shape == (1797, 64) and intensities.max() == 16
    bits = np.unpackbits(intensities[..., None], axis=-1)[..., 3:]
    packed = np.packbits(bits.reshape(len(intensities), -1), axis=-1)
    (HERE / "digits.bin").write_bytes(packed.tobytes() + data.target.astype(np.uint8).tobytes())


def breast_cancer():
    data = datasets.load_breast_cancer()
    features = data.data.astype("<f4")
    # The shortest decimal of the f32 is the published number, so that the reader can restore it exactly.
    assert all(float(str(x)) == y for x, y in zip(features.ravel(), data.data.ravel()))
    (HERE / "breast_cancer.bin").write_bytes(features.tobytes() + data.target.astype(np.uint8).tobytes())


def diabetes():
    data = datasets.load_diabetes(scaled=False)
    names = ["age", "sex", "body mass index", "blood pressure", "total cholesterol", "ldl", "hdl",
             "total/hdl cholesterol", "log triglycerides", "glucose", "disease progression"]
    rows = np.column_stack([data.data, data.target])
    lines = [",".join(names)] + [",".join(f"{x:.10g}" for x in row) for row in rows]
    (HERE / "diabetes.csv").write_text("\n".join(lines) + "\n")


def terrain():
    with cbook.get_sample_data("jacksboro_fault_dem.npz") as data:
        elevation = data["elevation"]
    # Means of squares of four by four points; the file's first row is the northernmost.
    squares = elevation[::-1][:344, :400].reshape(86, 4, 100, 4).mean((1, 3))
    (HERE / "terrain.bin").write_bytes(np.round(squares).astype("<u2").tobytes())


if __name__ == "__main__":
    digits()
    breast_cancer()
    diabetes()
    terrain()
