"""Writes diagnostics.json: MCMC diagnostics of fixed chains by ArviZ.

Run: python tests/golden/gen_diagnostics.py
Made with Python 3.11, NumPy 2.4.6, SciPy 1.17.1, ArviZ 0.23.4; seed 20260. Draws are rounded to six decimals
before anything is computed, so that the JSON holds exactly what ArviZ saw.
"""

import json
import pathlib

import arviz as az
import numpy as np
from arviz.stats.stats_utils import autocorr, autocov, quantile

rng = np.random.default_rng(20260)


def autoregressive(chains, draws, rho, noise=None):
    noise = rng.normal(size=(chains, draws)) if noise is None else noise
    x = np.zeros((chains, draws))
    x[:, 0] = noise[:, 0]
    for t in range(1, draws):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return x


def cases():
    yield "independent", rng.normal(size=(4, 100))
    yield "sticky", 3 + 2 * autoregressive(4, 120, 0.9)
    yield "antithetic", autoregressive(4, 100, -0.7)
    yield "heavy_tailed", rng.standard_cauchy(size=(4, 100))
    yield "chains_apart", autoregressive(3, 80, 0.5) + np.array([[0.0], [0.0], [4.0]])
    yield "different_scales", rng.normal(size=(4, 60)) * np.array([[1.0], [1.0], [1.0], [5.0]])
    yield "ties", rng.poisson(2.0, size=(2, 90)).astype(float)
    yield "two_values", rng.integers(0, 2, size=(2, 60)).astype(float)
    yield "odd_draws", autoregressive(2, 75, 0.3)
    yield "one_chain", autoregressive(1, 101, 0.6)
    yield "four_draws", rng.normal(size=(2, 4))
    yield "eleven_draws", rng.normal(size=(2, 11))
    yield "tiny_unit", 1e-3 * autoregressive(2, 50, 0.4)
    yield "trend", np.linspace(0, 5, 60)[None, :] + rng.normal(size=(2, 60))


def number(x):
    x = float(x)
    return x if np.isfinite(x) else None


def golden(name, draws):
    x = np.round(draws, 6)
    flat = x.ravel()
    return {
        "name": name,
        "chains": x.tolist(),
        "rhat": number(az.rhat(x)) if x.shape[0] > 1 else None,
        "ess_bulk": number(az.ess(x, method="bulk")),
        "ess_tail": number(az.ess(x, method="tail")),
        "ess_mean": number(az.ess(x, method="mean")),
        "ess_quantile_20": number(az.ess(x, method="quantile", prob=0.2)),
        "mcse_mean": number(az.mcse(x, method="mean")),
        "mcse_sd": number(az.mcse(x, method="sd")),
        "mcse_quantile_10": number(az.mcse(x, method="quantile", prob=0.1)),
        "mcse_quantile_50": number(az.mcse(x, method="quantile", prob=0.5)),
        "bfmi": [number(b) for b in np.atleast_1d(az.bfmi(x))],
        "quantiles": [number(q) for q in quantile(flat, [0.0, 0.05, 0.5, 0.95, 1.0])],
        "hdi_80": [number(h) for h in az.hdi(flat, hdi_prob=0.8)],
        "autocovariance_first": [number(a) for a in autocov(x[0])[:10]],
        "autocorrelation_first": [number(a) for a in autocorr(x[0])[:10]],
    }


if __name__ == "__main__":
    out = pathlib.Path(__file__).with_name("diagnostics.json")
    rows = [json.dumps(golden(name, draws)) for name, draws in cases()]
    out.write_text("[\n" + ",\n".join(rows) + "\n]\n")
