"""Golden values for tests/it/distributions.rs: log-densities, moments, entropies and distribution functions by SciPy.

Run: python gen_distributions.py > distributions.json
Written with SciPy 1.17.1 and NumPy 2.4.6.
"""

import json
import sys

import numpy as np
import scipy
from scipy import special, stats

PROBABILITIES = [1e-6, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99, 1 - 1e-6]
GRID = np.linspace(0.0025, 0.9975, 200)


def sigmoid(x):
    return special.expit(x)


# Name, SciPy's distribution for one set of parameters, parameters by name (three sets each), points outside the support.
FAMILIES = [
    ("Normal", lambda loc, scale: stats.norm(loc, scale),
     {"loc": [0.5, -3.0, 1e3], "scale": [2.0, 0.01, 50.0]}, []),
    ("LogNormal", lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
     {"loc": [0.5, -1.0, 3.0], "scale": [0.5, 0.1, 0.9]}, [-1.0, 0.0]),
    ("HalfNormal", lambda scale: stats.halfnorm(scale=scale), {"scale": [2.0, 0.01, 50.0]}, [-1.0, -1e-9]),
    ("Cauchy", lambda loc, scale: stats.cauchy(loc, scale),
     {"loc": [0.5, -3.0, 10.0], "scale": [2.0, 0.01, 50.0]}, []),
    ("HalfCauchy", lambda scale: stats.halfcauchy(scale=scale), {"scale": [2.0, 0.01, 50.0]}, [-1.0, -1e-9]),
    ("StudentT", lambda df, loc, scale: stats.t(df, loc, scale),
     {"df": [3.0, 150.0, 7.5], "loc": [0.5, -3.0, 10.0], "scale": [2.0, 0.1, 30.0]}, []),
    ("Uniform", lambda low, high: stats.uniform(low, high - low),
     {"low": [0.5, -3.0, 0.0], "high": [2.0, 5.0, 1e-3]}, [-10.0, 50.0]),
    ("Exponential", lambda rate: stats.expon(scale=1 / rate), {"rate": [0.7, 100.0, 0.01]}, [-1.0, -1e-9]),
    ("Gamma", lambda concentration, rate: stats.gamma(concentration, scale=1 / rate),
     {"concentration": [2.0, 0.3, 80.0], "rate": [0.7, 3.0, 10.0]}, [-1.0]),
    ("InverseGamma", lambda concentration, scale: stats.invgamma(concentration, scale=scale),
     {"concentration": [5.0, 12.0, 80.0], "scale": [0.7, 3.0, 10.0]}, [-1.0]),
    ("Chi2", lambda df: stats.chi2(df), {"df": [3.0, 0.5, 40.0]}, [-1.0]),
    ("Beta", lambda concentration1, concentration0: stats.beta(concentration1, concentration0),
     {"concentration1": [2.0, 0.5, 30.0], "concentration0": [0.7, 0.5, 60.0]}, [-1.0, 1.5]),
    ("Laplace", lambda loc, scale: stats.laplace(loc, scale),
     {"loc": [0.5, -3.0, 1e3], "scale": [2.0, 0.01, 50.0]}, []),
    ("Logistic", lambda loc, scale: stats.logistic(loc, scale),
     {"loc": [0.5, -3.0, 1e3], "scale": [2.0, 0.01, 50.0]}, []),
    ("Gumbel", lambda loc, scale: stats.gumbel_r(loc, scale),
     {"loc": [0.5, -3.0, 1e3], "scale": [2.0, 0.01, 50.0]}, []),
    ("Weibull", lambda concentration, scale: stats.weibull_min(concentration, scale=scale),
     {"concentration": [1.5, 0.8, 6.0], "scale": [2.0, 0.01, 50.0]}, [-1.0]),
    ("TruncatedNormal",
     lambda loc, scale, low, high: stats.truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale),
     {"loc": [0.5, -3.0, 1.0], "scale": [2.0, 0.5, 0.7], "low": [-1.0, -2.5, -30.0], "high": [3.0, 0.0, 1.5]},
     [-50.0, 50.0]),
    ("Bernoulli", lambda logits: stats.bernoulli(sigmoid(logits)), {"logits": [0.5, -4.0, 1.0]}, [-1.0, 0.5, 2.0]),
    ("Poisson", lambda log_rate: stats.poisson(np.exp(log_rate)), {"log_rate": [-0.3, 3.0, 5.0]}, [-1.0, 0.5]),
    ("Geometric", lambda logits: stats.geom(sigmoid(logits), loc=-1), {"logits": [-0.8, -3.0, 1.0]}, [-1.0, 0.5]),
    ("Binomial", lambda total_count, logits: stats.binom(total_count, sigmoid(logits)),
     {"total_count": [5.0, 100.0, 1.0], "logits": [-0.8, -3.0, 1.0]}, [-1.0, 0.5, 101.0]),
    ("NegativeBinomial", lambda total_count, logits: stats.nbinom(total_count, 1 - sigmoid(logits)),
     {"total_count": [3.0, 0.5, 40.0], "logits": [-0.8, 0.5, 1.0]}, [-1.0, 0.5]),
]


def column(family, params):
    frozen = family(**params)
    discrete = isinstance(frozen.dist, stats.rv_discrete)
    x = np.array([frozen.ppf(p) for p in PROBABILITIES])
    log_prob = frozen.logpmf(x) if discrete else frozen.logpdf(x)
    grid = np.unique(frozen.ppf(GRID))
    mean, variance = frozen.stats(moments="mv")
    return x, log_prob, grid, frozen.cdf(grid), float(mean), float(variance), float(frozen.entropy())


def number(x):
    return float(x) if np.isfinite(x) else str(float(x))


cases = []
for name, family, params, outside in FAMILIES:
    sets = [dict(zip(params, values)) for values in zip(*params.values())]
    columns = [column(family, one) for one in sets]
    x = np.array([c[0] for c in columns]).T.tolist() + [[point] * len(sets) for point in outside]
    log_prob = np.array([c[1] for c in columns]).T.tolist() + [[-np.inf] * len(sets) for _ in outside]
    cases.append({
        "name": name,
        "params": [params[key] for key in params],
        "x": x,
        "log_prob": [[number(y) for y in row] for row in log_prob],
        "grid": [c[2].tolist() for c in columns],
        "cdf": [c[3].tolist() for c in columns],
        "mean": [number(c[4]) for c in columns],
        "variance": [number(c[5]) for c in columns],
        "entropy": [number(c[6]) for c in columns],
    })

vectors = {
    "categorical": [
        {"logits": logits, "log_prob": special.log_softmax(logits).tolist(),
         "entropy": float(stats.entropy(special.softmax(logits)))}
        for logits in ([0.1, 0.5, -1.0], [800.0, 0.0, -3.0])
    ],
    "multivariate_normal": [
        {"loc": loc, "covariance": cov, "x": x,
         "log_prob": [float(stats.multivariate_normal(loc, cov).logpdf(point)) for point in x],
         "entropy": float(stats.multivariate_normal(loc, cov).entropy())}
        for loc, cov, x in (
            ([0.5, -1.0], [[4.0, 0.6], [0.6, 0.34]], [[1.0, 0.0], [-20.0, 3.0]]),
            ([1.0, 2.0, 3.0], [[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.5]],
             [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]),
        )
    ],
    "dirichlet": [
        {"concentration": alpha, "x": x, "log_prob": float(stats.dirichlet(alpha).logpdf(x)),
         "mean": stats.dirichlet(alpha).mean().tolist(), "variance": stats.dirichlet(alpha).var().tolist(),
         "entropy": float(stats.dirichlet(alpha).entropy())}
        for alpha, x in (([1.0, 2.0, 3.0], [0.2, 0.3, 0.5]), ([0.5, 0.5], [0.999, 0.001]))
    ],
    "multinomial": [
        {"total_count": n, "probs": p, "x": x, "log_prob": float(stats.multinomial(n, p).logpmf(x))}
        for n, p, x in ((5, [0.2, 0.3, 0.5], [1.0, 1.0, 3.0]), (40, [0.9, 0.05, 0.05], [30.0, 10.0, 0.0]))
    ],
}

json.dump({"scipy": scipy.__version__, "numpy": np.__version__, "univariate": cases, **vectors}, sys.stdout)
