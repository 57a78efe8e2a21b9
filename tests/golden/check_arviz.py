"""Opens draws written by `ed_core::diagnostics::write_cmdstan_csv` in ArviZ and compares every number.

Run by hand: python tests/golden/check_arviz.py
Passes with Python 3.11, NumPy 2.4.6, ArviZ 0.23.4.
"""

import os
import pathlib
import subprocess
import tempfile

import arviz as az
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def wave(shift):
    return np.stack([np.sin(shift + extra + 2.4 * np.arange(50)) for extra in (0.0, 0.5)])


with tempfile.TemporaryDirectory() as folder:
    stem = pathlib.Path(folder) / "run"
    subprocess.run(
        ["cargo", "test", "--quiet", "-p", "ed-core", "--lib", "writes_chains_for_arviz", "--", "--ignored"],
        cwd=ROOT,
        env={**os.environ, "ED_ARVIZ_STEM": str(stem)},
        check=True,
    )
    data = az.from_cmdstan([f"{stem}-1.csv", f"{stem}-2.csv"])

posterior, stats = data.posterior, data.sample_stats
assert posterior["theta"].shape == (2, 50, 2) and posterior["w"].shape == (2, 50, 1, 2), posterior
np.testing.assert_allclose(posterior["mu"], wave(1.0), atol=1e-14)
np.testing.assert_allclose(posterior["theta"][..., 1], wave(3.0), atol=1e-14)
np.testing.assert_allclose(posterior["w"][..., 0, 1], wave(5.0), atol=1e-14)
np.testing.assert_allclose(stats["lp"], wave(0.0), atol=1e-14)
assert stats["diverging"].dtype == bool and int(stats["diverging"].sum()) == 1 and bool(stats["diverging"][1, 7])
print(az.summary(data).to_string())
print("ArviZ reads the draws.")
