"""Golden values for tests/it/distributions/mixtures.rs: distribution functions, probabilities of intervals, mixtures and
PixelCNN++'s likelihood, with 60 digits by mpmath.

Run: python gen_mixtures.py > mixtures.json
Written with mpmath 1.3.0 and NumPy 2.4.6.
"""

import json
import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60


def inside(z):
    return min(max(z, mp.mpf(0)), mp.mpf(1))


def positive(x, f):
    return f(x) if x > 0 else mp.mpf(0)


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


# Name, distribution function and survival function by the value and the parameters, sets of parameters.
FAMILIES = [
    ("Normal", lambda x, m, s: mp.erfc((m - x) / s / mp.sqrt(2)) / 2, lambda x, m, s: mp.erfc((x - m) / s / mp.sqrt(2)) / 2,
     [[0.5, 2.0], [-3.0, 0.01], [1e3, 50.0]]),
    ("Logistic", lambda x, m, s: sigmoid((x - m) / s), lambda x, m, s: sigmoid((m - x) / s),
     [[0.5, 2.0], [-3.0, 0.01], [1e3, 50.0]]),
    ("Laplace", lambda x, m, s: mp.exp((x - m) / s) / 2 if x < m else 1 - mp.exp((m - x) / s) / 2,
     lambda x, m, s: mp.exp((m - x) / s) / 2 if x > m else 1 - mp.exp((x - m) / s) / 2,
     [[0.5, 2.0], [-3.0, 0.01], [1e3, 50.0]]),
    ("Gumbel", lambda x, m, s: mp.exp(-mp.exp((m - x) / s)), lambda x, m, s: -mp.expm1(-mp.exp((m - x) / s)),
     [[0.5, 2.0], [-3.0, 0.01], [1e3, 50.0]]),
    ("Cauchy", lambda x, m, s: mp.atan2(1, (m - x) / s) / mp.pi, lambda x, m, s: mp.atan2(1, (x - m) / s) / mp.pi,
     [[0.5, 2.0], [-3.0, 0.01], [10.0, 50.0]]),
    ("Uniform", lambda x, a, b: inside((x - a) / (b - a)), lambda x, a, b: inside((b - x) / (b - a)),
     [[0.5, 2.0], [-3.0, 5.0], [0.0, 1e-3]]),
    ("Exponential", lambda x, r: positive(x, lambda x: -mp.expm1(-r * x)), lambda x, r: mp.exp(-r * max(x, 0)),
     [[0.7], [100.0], [0.01]]),
    ("Weibull", lambda x, k, s: positive(x, lambda x: -mp.expm1(-((x / s) ** k))),
     lambda x, k, s: mp.exp(-positive(x, lambda x: (x / s) ** k)), [[1.5, 2.0], [0.8, 0.01], [6.0, 50.0]]),
    ("LogNormal", lambda x, m, s: positive(x, lambda x: mp.erfc((m - mp.log(x)) / s / mp.sqrt(2)) / 2),
     lambda x, m, s: 1 - positive(x, lambda x: mp.erfc((m - mp.log(x)) / s / mp.sqrt(2)) / 2),
     [[0.5, 0.5], [-1.0, 0.1], [3.0, 0.9]]),
]
# Quantiles in units of the scale around the centre, and widths of the intervals that begin there.
PLACES = [-30.0, -6.0, -2.0, -0.5, 0.0, 0.7, 3.0, 8.0, 25.0]
WIDTHS = [1e-7, 1e-3, 0.3, 5.0]


def log(p):
    return float(mp.log(p)) if p > 0 else "-inf"


def family(name, cdf, survival, sets):
    rows = []
    for params in sets:
        exact = [mp.mpf(p) for p in params]
        centre, scale = (0.0, 1 / params[0]) if name == "Exponential" else (params[0], params[1])
        if name == "Weibull":
            centre, scale = params[1], params[1] / params[0]
        if name == "LogNormal":
            centre, scale = float(np.exp(params[0])), float(params[1] * np.exp(params[0]))
        if name == "Uniform":
            centre, scale = 0.5 * (params[0] + params[1]), 0.25 * (params[1] - params[0])
        for place in PLACES:
            for width in WIDTHS:
                low = centre + scale * place
                high = low + scale * width
                if high <= low:
                    continue
                l, h = mp.mpf(low), mp.mpf(high)
                mass = cdf(h, *exact) - cdf(l, *exact)
                if cdf(l, *exact) > 0.5:
                    mass = survival(l, *exact) - survival(h, *exact)
                rows.append({"params": params, "low": low, "high": high, "log_cdf": log(cdf(h, *exact)),
                             "log_survival": log(survival(l, *exact)), "log_interval": log(mass)})
    return {"name": name, "rows": rows}


def bins(levels, low, step, loc, scale, v):
    x = low + step * v
    below = 0 if v == 0 else sigmoid((x - step / 2 - loc) / scale)
    above = 1 if v == levels - 1 else sigmoid((x + step / 2 - loc) / scale)
    return above - below


def pixel(logits, loc, log_scale, coeffs, x, one):
    """`one(c, x, loc, scale)` is the probability of a channel, given where it is centred."""
    weights = [mp.exp(w) for w in logits]
    total = mp.mpf(0)
    for k, w in enumerate(weights):
        product, pair = w / sum(weights), 0
        for c in range(len(x)):
            centre = mp.mpf(loc[k][c])
            for before in range(c):
                centre += mp.tanh(coeffs[k][pair]) * x[before]
                pair += 1
            product *= one(c, centre, mp.exp(log_scale[k][c]))
        total += product
    return log(total)


def pixels():
    rng = np.random.default_rng(3)
    cases, levels, low, step = [], 256, mp.mpf(-1), mp.mpf(2) / 255
    for _ in range(24):
        logits, loc = rng.normal(size=3), 0.6 * rng.normal(size=(3, 3))
        log_scale, coeffs = rng.uniform(-6, 0, size=(3, 3)), rng.normal(size=(3, 3))
        v = rng.choice([0, 1, 40, 127, 128, 200, 254, 255], size=3)
        x = [low + step * int(c) for c in v]

        def level(c, centre, scale):
            return bins(levels, low, step, centre, scale, int(v[c]))

        def density(c, centre, scale):
            z = (x[c] - centre) / scale
            return sigmoid(z) * sigmoid(-z) / scale

        arguments = [a.tolist() for a in (logits, loc, log_scale, coeffs)]
        cases.append({"params": np.concatenate([a.ravel() for a in (logits, loc, log_scale, coeffs)]).tolist(),
                      "levels": v.tolist(), "log_levels": pixel(*arguments, x, level),
                      "log_density": pixel(*arguments, x, density)})
    return cases


WEIGHTS, LOC, SCALE = ["0.2", "0.5", "0.3"], [100, 120, 250], [5, 2, 10]
quantized = [log(sum(mp.mpf(w) * bins(256, mp.mpf(0), mp.mpf(1), mp.mpf(m), mp.mpf(s), v)
                     for w, m, s in zip(WEIGHTS, LOC, SCALE))) for v in range(256)]
mean = sum(mp.mpf(w) * m for w, m in zip(WEIGHTS, LOC))
second = sum(mp.mpf(w) * (m * m + s * s * mp.pi ** 2 / 3) for w, m, s in zip(WEIGHTS, LOC, SCALE))

json.dump({"mpmath": mp.__version__, "numpy": np.__version__,
           "families": [family(*each) for each in FAMILIES],
           "quantized_mixture": quantized, "mixture_mean": float(mean), "mixture_variance": float(second - mean ** 2),
           "pixels": pixels()}, sys.stdout)
