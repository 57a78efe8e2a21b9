"""Golden values for tests/it/gp.rs: covariance functions, exact Gaussian processes and Bayesian linear models by
scikit-learn and NumPy, expectations of log-likelihoods by SciPy's quadrature.

Run: python gen_gp.py > gp.json
Written with scikit-learn 1.9.0, SciPy 1.17.1 and NumPy 2.4.6.
"""

import json
import sys

import numpy as np
import scipy
import sklearn
from scipy import integrate, special, stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as k

VERSIONS = f"{sklearn.__version__} {scipy.__version__} {np.__version__}"
NOISE = 0.04


def wave(rows, columns, phase):
    i = np.arange(rows * columns)
    return (1.5 * np.sin(1.37 * i + phase)).reshape(rows, columns)


X, X_NEW = wave(12, 2, 0.3), wave(5, 2, 1.9)
Y = np.column_stack([np.sin(X[:, 0]) + 0.3 * X[:, 1], np.cos(X.sum(1))])

# Name in the test, scikit-learn's function, features that it looks at.
KERNELS = {
    "exponentiated_quadratic": 1.7 * k.RBF([0.8, 1.9]),
    "matern12": 0.6 * k.Matern(1.2, nu=0.5),
    "matern32": 1.3 * k.Matern([0.7, 1.1], nu=1.5),
    "matern52": 2.1 * k.Matern(0.9, nu=2.5),
    "rational_quadratic": 1.4 * k.RationalQuadratic(length_scale=1.1, alpha=0.7),
    "linear": 0.5 * k.DotProduct(sigma_0=0.0) + k.ConstantKernel(0.3),
    "sum": 1.7 * k.RBF(0.8) + k.WhiteKernel(0.2),
    "product": (1.7 * k.RBF(0.8)) * k.Matern(1.2, nu=0.5),
}


def gp(kernel, x, x_new):
    process = GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None).fit(x, Y)
    mean, covariance = process.predict(x_new, return_cov=True)
    # One covariance for all outputs; scikit-learn repeats it along the last axis.
    covariance = covariance if covariance.ndim == 2 else covariance[..., 0]
    evidence = process.log_marginal_likelihood()
    return {
        "gram": kernel(x).ravel().tolist(),
        "cross": kernel(x, x_new).ravel().tolist(),
        "mean": mean.ravel().tolist(),
        "covariance": covariance.ravel().tolist(),
        "log_marginal_likelihood": float(evidence),
    }


def expectation(f, loc, scale):
    g = lambda t: f(loc + scale * t) * stats.norm.pdf(t)
    return integrate.quad(g, -12, 12, epsabs=1e-13, epsrel=1e-12, limit=400)[0]


MOMENTS = [(0.3, 0.8), (-1.2, 0.1), (0.9, 1.5)]
LIKELIHOODS = {
    "gaussian": (lambda y, f: stats.norm.logpdf(y, f, np.sqrt(0.3)), [0.5, -1.0, 2.0]),
    "bernoulli": (lambda y, f: -np.logaddexp(0.0, -f if y else f), [1.0, 0.0, 1.0]),
    "poisson": (lambda y, f: stats.poisson.logpmf(y, np.exp(f)), [2.0, 0.0, 5.0]),
    "student_t": (lambda y, f: stats.t.logpdf(y, 4.0, f, 0.7), [0.5, -1.0, 2.0]),
}


def main():
    golden = {
        "versions": VERSIONS,
        "kernels": {name: gp(kernel, X, X_NEW) for name, kernel in KERNELS.items()},
        "periodic": gp(0.9 * k.ExpSineSquared(length_scale=1.3, periodicity=0.8), X[:, :1], X_NEW[:, :1]),
        "likelihoods": {
            name: [expectation(lambda f, y=y: log_prob(y, f), *moments) for y, moments in zip(ys, MOMENTS)]
            for name, (log_prob, ys) in LIKELIHOODS.items()
        },
        # Mean and logarithm of the noise's standard deviation, each normal.
        "heteroscedastic": integrate.dblquad(
            lambda g, f: stats.norm.logpdf(0.5, f, np.exp(g)) * stats.norm.pdf(f, 0.3, 0.8)
            * stats.norm.pdf(g, -0.4, 0.5), -7, 7.6, -5, 4.2, epsabs=1e-11)[0],
        "bernoulli_predictive": [expectation(special.expit, *moments) for moments in MOMENTS],
    }
    json.dump(golden, sys.stdout, indent=1)
    print()


main()
