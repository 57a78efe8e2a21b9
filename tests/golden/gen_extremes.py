"""Golden values for tests/it/distributions/extremes.rs: log-densities and log-probabilities of intervals with all of
their partial derivatives, far out in both tails and for very small and very large parameters and counts.

Run: python gen_extremes.py densities > extreme_densities.txt; python gen_extremes.py masses > extreme_masses.txt
Needs mpmath 1.3 and NumPy. Everything is computed in 400 digits, at the inputs in double precision and at the same ones
rounded to single precision. A row is the name, the precision, the parameters, the point (or the two ends), the value, the
derivative by the point (or by the ends), and those by the parameters; `-` is a derivative that is not taken. The numbers
are read back to the last bit, which a reader of JSON does not promise.
"""

import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 400
inf = mp.inf


def lg(x):
    return mp.loggamma(x)


def lnbeta(a, b):
    return lg(a) + lg(b) - lg(a + b)


def softplus(x):
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


def count_of_trials(k, n, ln_p, ln_q):
    return -lnbeta(k + 1, n - k + 1) - mp.log(n + 1) + (k * ln_p if k else 0) + ((n - k) * ln_q if n - k else 0)


def before_failures(k, r, ln_p, ln_q):
    return lg(k + r) - lg(r) - lg(k + 1) + (k * ln_p if k else 0) + r * ln_q


def student(x, df, loc, scale):
    z = (x - loc) / scale
    return lg((df + 1) / 2) - lg(df / 2) - mp.log(df * mp.pi) / 2 - mp.log(scale) - (df + 1) / 2 * mp.log1p(z * z / df)


def logistic(z):
    return -abs(z) - 2 * mp.log1p(mp.exp(-abs(z)))


def gamma(x, a, b):
    return a * mp.log(b) - lg(a) + (a - 1) * mp.log(x) - b * x


DENSITIES = {
    "Normal": lambda x, m, s: -((x - m) / s) ** 2 / 2 - mp.log(s) - mp.log(2 * mp.pi) / 2,
    "LogNormal": lambda x, m, s: -((mp.log(x) - m) / s) ** 2 / 2 - mp.log(s) - mp.log(2 * mp.pi) / 2 - mp.log(x),
    "HalfNormal": lambda x, s: -(x / s) ** 2 / 2 - mp.log(s) + mp.log(2 / mp.pi) / 2,
    "Cauchy": lambda x, m, s: -mp.log(mp.pi * s) - mp.log1p(((x - m) / s) ** 2),
    "HalfCauchy": lambda x, s: -mp.log(mp.pi * s / 2) - mp.log1p((x / s) ** 2),
    "StudentT": student,
    "Uniform": lambda x, low, high: -mp.log(high - low),
    "Exponential": lambda x, rate: mp.log(rate) - rate * x,
    "Gamma": gamma,
    "Beta": lambda x, a, b: (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - lnbeta(a, b),
    "Laplace": lambda x, m, s: -abs(x - m) / s - mp.log(2 * s),
    "Logistic": lambda x, m, s: logistic((x - m) / s) - mp.log(s),
    "Gumbel": lambda x, m, s: -(x - m) / s - mp.exp(-(x - m) / s) - mp.log(s),
    "InverseGamma": lambda x, a, s: a * mp.log(s) - lg(a) - (a + 1) * mp.log(x) - s / x,
    "Chi2": lambda x, df: gamma(x, df / 2, mp.mpf(1) / 2),
    "Weibull": lambda x, k, s: mp.log(k / s) + (k - 1) * mp.log(x / s) - (x / s) ** k,
    "Bernoulli": lambda x, l: -softplus(-l) if x == 1 else -softplus(l),
    "Bernoulli::from_probs": lambda x, p: mp.log(p) if x == 1 else mp.log1p(-p),
    "Geometric": lambda x, l: -softplus(-l) - x * softplus(l),
    "Geometric::from_probs": lambda x, p: mp.log(p) + x * mp.log1p(-p),
    "Binomial": lambda x, n, l: count_of_trials(x, n, -softplus(-l), -softplus(l)),
    "Binomial::from_probs": lambda x, n, p: count_of_trials(x, n, mp.log(p), mp.log1p(-p)),
    "NegativeBinomial": lambda x, r, l: before_failures(x, r, -softplus(-l), -softplus(l)),
    "NegativeBinomial::from_probs": lambda x, r, p: before_failures(x, r, mp.log(p), mp.log1p(-p)),
    "Poisson": lambda x, l: x * l - mp.exp(l) - lg(x + 1),
    "Poisson::new": lambda x, rate: (x * mp.log(rate) if x else 0) - rate - lg(x + 1),
}

ENDS = [-1e30, -1e20, -1e10, -1e5, -37.5, -3.0, -1e-10, 4e-30, 0.25, 2.0, 80.5, 1e8, 1e20, 1e30]
SIZES = [1e-30, 1e-20, 1e-10, 1e-4, 0.3, 1.7, 12.0, 900.0, 1e6, 1e12, 1e20, 1e30]
LOCATED = [[0.5, 2.0], [0.0, 1e-30], [-3.0, 1e30], [1e6, 100.0], [1e10, 1e-3]]
CENTRAL = [1e6 + 250.0, 1e6 - 3e4, 1e10 + 0.002]
CONCENTRATIONS = [[2.5, 0.7], [1e-30, 1.0], [1e-5, 1e30], [9.5, 1e-30], [10.5, 3.0], [300.0, 1e4], [1e6, 1.0],
                  [1e8, 3.0], [1e12, 1e12], [1e12, 0.37]]


def around(pairs):
    """Points some deviations from the mean of gamma numbers, beside the sizes."""
    rows = []
    for a, b in pairs:
        near = [a / b * (1 + z / a**0.5) for z in (-3, -0.5, 1.3, 4)] if a > 9 else []
        rows.append(([a, b], SIZES + near))
    return rows


def trials(pairs):
    rows = []
    for n, p in pairs:
        deviation = (n * p * (1 - p)) ** 0.5
        near = [round(n * p + z * deviation) for z in (-3, -0.5, 0, 1.3, 4)]
        rows.append(([n, p], sorted({float(min(max(k, 0), n)) for k in [0, 1, 7, 40, n // 3, n - 30, n] + near})))
    return rows


def failures(pairs):
    rows = []
    for r, p in pairs:
        mean = r * p / (1 - p)
        deviation = (mean / (1 - p)) ** 0.5
        near = [float(round(mean + z * deviation)) for z in (-3, -0.5, 0, 1.3, 4)]
        rows.append(([r, p], sorted({k for k in [0.0, 1.0, 7.0, 40.0, 1e5, 1e12] + near if 0 <= k <= 2e12})))
    return rows


def by_logit(rows):
    return [([first, float(np.log(p) - np.log1p(-p))], points) for (first, p), points in rows]


PROBS = [1e-30, 1e-10, 0.03, 0.5, 0.875, 1 - 1e-7]
LOGITS = [-1e30, -700.0, -88.0, -20.0, -1e-20, 0.3, 20.0, 37.0, 709.0, 1e30]
TRIALS = trials([(5.0, 0.3), (60.0, 0.9), (1e4, 1e-3), (1e7, 0.3), (1e7, 1e-5), (1e9, 0.97), (1e12, 0.3), (1e12, 1e-9)])
FAILURES = failures([(3.0, 0.3), (0.5, 0.999), (1e-5, 0.9), (40.0, 0.5), (1e4, 0.999), (1e7, 0.4), (1e9, 0.9),
                     (1e12, 0.3), (2.5e7, 1e-6)])
RATES = [1e-30, 1e-3, 0.7, 9.0, 33.5, 1e5, 1e7, 1e9, 1e12]


def counts(rate):
    near = [float(round(rate + z * rate**0.5)) for z in (-3, -0.5, 0, 1.3, 4)]
    return sorted({k for k in [0.0, 1.0, 9.0, 10.0, 33.0, 1e5, 1e7, 1e12] + near if k >= 0})


POINTS = {
    "Normal": [(p, ENDS + CENTRAL) for p in LOCATED],
    "LogNormal": [(p, SIZES) for p in [[0.5, 2.0], [-60.0, 0.5], [7.0, 0.1], [0.0, 1e30], [3.0, 30.0]]],
    "HalfNormal": [([s], SIZES) for s in (2.0, 1e-30, 1e30, 1e4)],
    "Cauchy": [(p, ENDS + CENTRAL) for p in LOCATED],
    "HalfCauchy": [([s], SIZES) for s in (2.0, 1e-30, 1e30, 1e4)],
    "StudentT": [([df, *p], ENDS + CENTRAL) for p in LOCATED for df in (3.0, 0.5, 1e-10, 120.0, 1e7, 1e12, 1e30)],
    "Uniform": [([0.5, 2.0], [0.6, 1.9]), ([-1e30, 1e30], [-1e29, 0.0]), ([0.0, 1e-30], [1e-31])],
    "Exponential": [([rate], SIZES) for rate in (0.7, 1e-30, 1e30, 1e4)],
    "Gamma": around(CONCENTRATIONS),
    "Beta": [(p, [1e-30, 1e-10, 0.03, 0.4, 0.75, 0.96875] + [p[0] / (p[0] + p[1])])
             for p in [[2.5, 0.7], [1e-30, 1.5], [0.5, 1e7], [9.5, 300.0], [11.0, 45.0], [3e3, 1e6], [1e6, 1e6],
                       [4e7, 3e7], [1e12, 3e12], [1e30, 1e30], [1.0, 1.0]]],
    "Laplace": [(p, ENDS + CENTRAL) for p in LOCATED],
    "Logistic": [(p, ENDS + CENTRAL) for p in LOCATED],
    "Gumbel": [(p, ENDS + CENTRAL + [-150.0]) for p in LOCATED],
    "InverseGamma": [([a, s], SIZES + ([s / a * (1 + z / a**0.5) for z in (-3, -0.5, 1.3, 4)] if a > 9 else []))
                     for a, s in CONCENTRATIONS],
    "Chi2": [([df], SIZES + [df]) for df in (3.0, 1e-30, 0.5, 40.0, 1e7, 1e12)],
    "Weibull": [(p, SIZES) for p in [[1.5, 2.0], [0.01, 0.1], [6.0, 900.0], [1e-10, 1e-30], [0.8, 1e30], [1e-30, 1.0]]],
    "Bernoulli": [([l], [0.0, 1.0]) for l in LOGITS],
    "Bernoulli::from_probs": [([p], [0.0, 1.0]) for p in PROBS],
    "Geometric": [([l], [0.0, 1.0, 40.0, 1e7, 1e12]) for l in LOGITS],
    "Geometric::from_probs": [([p], [0.0, 1.0, 40.0, 1e7, 1e12]) for p in PROBS],
    "Binomial": by_logit(TRIALS) + [([50.0, l], [0.0, 3.0, 25.0, 50.0]) for l in LOGITS],
    "Binomial::from_probs": TRIALS,
    "NegativeBinomial": by_logit(FAILURES) + [([r, l], [0.0, 3.0, 1e5, 1e12]) for r in (1e-5, 0.5, 1e6) for l in LOGITS],
    "NegativeBinomial::from_probs": FAILURES,
    "Poisson": [([float(np.log(rate))], counts(rate)) for rate in RATES] + [([-1e30], [0.0, 1.0]), ([50.0], [3.0])],
    "Poisson::new": [([rate], counts(rate)) for rate in RATES],
}
DISCRETE = ("Bernoulli", "Geometric", "Binomial", "NegativeBinomial", "Poisson")


def slope(f, arguments, index):
    """A central difference of a step so small that only the digits that are kept would see it."""
    sizes = [abs(x) for x in arguments if x and abs(x) != inf]
    h = min([mp.mpf(1)] + sizes) * mp.mpf(10) ** -110
    up, down = list(arguments), list(arguments)
    up[index], down[index] = up[index] + h, down[index] - h
    return (f(*up) - f(*down)) / (2 * h)


def number(x):
    if x is None:
        return "-"
    return repr(float(mp.nstr(x, 20)) if abs(x) < mp.mpf("1e308") else float(x)).removesuffix(".0")


def rounded(values, kind):
    return [mp.mpf(float(kind(x))) for x in values]


def density_rows(name, kind):
    f, rows = DENSITIES[name], []
    for params, points in POINTS[name]:
        for point in points:
            with np.errstate(all="ignore"):
                arguments = rounded([point, *params], kind)
            if any(abs(x) == inf for x in arguments):
                continue
            discrete = name.startswith(DISCRETE)
            total = name.startswith("Binomial")
            if total and arguments[0] > arguments[1]:
                continue
            if name == "Beta" and arguments[0] == 1:
                continue
            slopes = [None if discrete else slope(f, arguments, 0)]
            slopes += [None if total and i == 1 else slope(f, arguments, i) for i in range(1, len(arguments))]
            rows.append([number(x) for x in [*arguments[1:], arguments[0], f(*arguments), *slopes]])
    return rows


def upper_normal(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def log_mass(low, high, lower, upper):
    """`ln (F(high) - F(low))` from the tails `F` and `1 - F` of the standard coordinate."""
    return mp.log(upper(low) - upper(high)) if low > 0 else mp.log(lower(high) - lower(low))


def guard(f, at_low, at_high):
    return lambda z: at_low if z == -inf else at_high if z == inf else f(z)


def arctan_tail(z):
    return mp.atan(1 / z) / mp.pi if z > 0 else mp.mpf(1) / 2 - mp.atan(z) / mp.pi


def grown(z):
    """`e^z`, bounded: where it is larger, `e^-grown` is zero for every purpose."""
    return mp.exp(min(z, mp.mpf(100)))


TAILS = {
    "Normal": (lambda z: upper_normal(-z), upper_normal),
    "Cauchy": (lambda z: arctan_tail(-z), arctan_tail),
    "Laplace": (lambda z: mp.exp(z) / 2 if z < 0 else 1 - mp.exp(-z) / 2, lambda z: mp.exp(-z) / 2 if z > 0 else 1 - mp.exp(z) / 2),
    "Logistic": (lambda z: 1 / (1 + mp.exp(-z)), lambda z: 1 / (1 + mp.exp(z))),
    "Gumbel": (lambda z: mp.exp(-grown(-z)), lambda z: -mp.expm1(-grown(-z))),
    "Weibull": (lambda z: -mp.expm1(-grown(z)), lambda z: mp.exp(-grown(z))),
    "Exponential": (lambda z: -mp.expm1(-z), lambda z: mp.exp(-z)),
    "Uniform": (lambda z: z, lambda z: 1 - z),
}
TAILS["LogNormal"] = TAILS["Normal"]


def mass_of(name):
    lower, upper = TAILS[name]
    lower, upper = guard(lower, mp.mpf(0), mp.mpf(1)), guard(upper, mp.mpf(1), mp.mpf(0))

    def f(low, high, *params):
        if name == "Exponential":
            z = [x * params[0] for x in (low, high)]
        elif name == "Uniform":
            z = [(min(max(x, params[0]), params[1]) - params[0]) / (params[1] - params[0]) for x in (low, high)]
        else:
            loc, scale = (mp.log(params[1]), 1 / params[0]) if name == "Weibull" else params
            logs = name in ("Weibull", "LogNormal")
            read = lambda x: (-inf if x <= 0 else mp.log(x) if x != inf else inf) if logs else x
            z = [x if abs(x) == inf else (x - loc) / scale for x in map(read, (low, high))]
        return log_mass(*z, lower, upper)

    return f


LINE = [(-inf, x) for x in (-1e10, -1e5, -40.0, -3.0, -0.2, 0.4, 7.0, 300.0)]
LINE += [(x, inf) for x in (-300.0, -3.0, 0.1, 0.75, 9.0, 1e5, 1e10)]
LINE += [(-1e30, 1e30), (-5.0, 6.0), (0.0, 1e-10), (-1e-12, 2e-12), (3.0, 3.0 + 1e-9), (40.0, 41.0), (-41.0, -40.0),
         (-1e5, -1e5 + 1e-3), (-0.3, 0.2), (0.499, 0.502), (-7.0, -6.9), (1e5, 1e5 + 2.0), (-30.0, 2.0)]
HALF = [(-inf, x) for x in (1e-30, 1e-10, 0.03, 0.5, 2.0, 30.0, 1e3)] + [(x, inf) for x in (1e-20, 0.2, 3.0, 40.0, 1e3)]
HALF += [(1e-30, 1e-10), (1.0, 1.0 + 1e-9), (0.1, 9.0), (7.0, 7.5), (2.0, 2.01)]
MASSES = {
    "Normal": [(p, LINE) for p in ([0.5, 2.5], [0.0, 1.0], [-3.0, 1e4])],
    "Cauchy": [(p, LINE + [(-7.3, inf), (1e30, inf)]) for p in ([0.5, 2.5], [0.0, 1.0], [-3.0, 1e4], [0.0, 1e-30])],
    "Laplace": [(p, LINE) for p in ([0.5, 2.5], [0.0, 1.0], [-3.0, 1e4])],
    "Logistic": [(p, LINE) for p in ([0.5, 2.5], [0.0, 1.0], [-3.0, 1e4])],
    "Gumbel": [(p, [e for e in LINE if e[1] > -30]) for p in ([0.5, 2.5], [0.0, 1.0], [-3.0, 1e4])],
    "LogNormal": [(p, HALF) for p in ([0.5, 2.0], [0.0, 0.001], [-2.0, 30.0])],
    "Weibull": [(p, HALF) for p in ([1.5, 2.0], [0.01, 0.1], [6.0, 900.0])],
    "Exponential": [(p, HALF + [(0.0, 0.5)]) for p in ([0.7], [1e-30], [1e4])],
    "Uniform": [([0.0, 2.0], [(-inf, 0.3), (0.3, inf), (0.5, 0.5 + 1e-9), (-3.0, 1.5)]),
                ([0.0, 1e30], [(-inf, 1e10), (9.999999e29, inf)])],
}


def mass_rows(name, kind):
    f, rows = mass_of(name), []
    for params, ends in MASSES[name]:
        for pair in ends:
            low, high, *rest = arguments = rounded([*pair, *params], kind)
            if not low < high:
                continue
            value = f(*arguments)
            if abs(value) == inf:
                continue
            slopes = [mp.mpf(0) if abs(arguments[i]) == inf else slope(f, arguments, i) for i in range(len(arguments))]
            rows.append([number(x) for x in [*rest, low, high, value, *slopes]])
    return rows


names, rows = {"densities": (POINTS, density_rows), "masses": (MASSES, mass_rows)}[sys.argv[1]]
for name in names:
    for precision, kind in (("f64", np.float64), ("f32", np.float32)):
        for row in rows(name, kind):
            print(name, precision, *row)
