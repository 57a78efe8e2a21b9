"""Golden values of the special functions: writes special.json next to this file.

Needs mpmath 1.3 (40 digits or more); run `python gen_special.py`. Each row is the arguments, then the value.
"""
import json
import pathlib

import mpmath as mp

mp.mp.dps = 40
rows = {}


def tabulate(name, f, *arguments):
    table = []
    for x in zip(*arguments) if len(arguments) > 1 else ((x,) for x in arguments[0]):
        value = float(f(*(mp.mpf(v) for v in x)))
        if abs(value) > 1e-290 and abs(value) != float("inf"):
            table.append([*x, value])
    rows[name] = table


def pairs(first, second):
    return [a for a in first for _ in second], [b for _ in first for b in second]


positive = [1e-10, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.2, 1.5, 2.0, 2.7, 5.0, 9.9, 10.0, 33.3, 100.5, 1e4, 1e10]
negative = [-0.3, -0.5, -1.7, -7.4, -20.25]
tabulate("ln_gamma", lambda x: mp.log(abs(mp.gamma(x))) if x < 1e5 else mp.loggamma(x), positive + negative)
tabulate("digamma", mp.digamma, positive + negative)
tabulate("trigamma", lambda x: mp.polygamma(1, x), positive + negative)

concentration, quantile = [], []
for a in [1e-3, 0.05, 0.3, 0.5, 1.0, 1.7, 3.0, 9.5, 12.0, 50.0, 300.0, 5000.0]:
    for deviation in [-4, -2, -0.7, 0, 0.6, 2, 5]:
        concentration.append(a)
        quantile.append(a * float(mp.exp(deviation / max(1.0, a**0.5))))
    concentration.append(a)
    quantile.append(a + 5 * a**0.5)
tabulate("gamma_p", lambda a, x: mp.gammainc(a, 0, x, regularized=True), concentration, quantile)
tabulate("gamma_q", lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True), concentration, quantile)


def sample_derivative(a, x):
    with mp.workdps(60):
        slope = mp.diff(lambda a: mp.gammainc(a, 0, x, regularized=True), a, h=mp.mpf(10) ** -25)
        return -slope * mp.gamma(a) * mp.exp(x) * x ** (1 - a)


small = [(a, x) for a, x in zip(concentration, quantile) if a <= 300]
tabulate("gamma_sample_derivative", sample_derivative, [a for a, _ in small], [x for _, x in small])

tabulate("ln_beta", lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b),
         *pairs([1e-5, 0.3, 1.0, 2.5, 9.0, 11.0, 300.0, 1e6], [1e-3, 0.7, 1.0, 8.0, 12.0, 1e3, 1e9]))
a, b, x = [], [], []
for p in [0.05, 0.5, 1.0, 3.3, 20.0, 400.0]:
    for q in [0.1, 0.7, 1.0, 5.0, 60.0, 500.0]:
        mean, spread = p / (p + q), (p * q / (p + q) ** 2 / (p + q + 1)) ** 0.5
        for v in {min(max(mean + k * spread, 1e-3), 0.999) for k in (-2, -0.3, 0.0, 0.4, 2)}:
            a.append(p), b.append(q), x.append(v)
tabulate("beta_inc", lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), a, b, x)

line = [-37.0, -20.0, -8.3, -5.0, -3.2, -1.5, -1.0, -0.999, -0.4, -1e-3, 1e-8, 0.3, 0.63, 1.0, 2.4, 5.5, 8.0]
tabulate("erfcx", lambda x: mp.exp(x * x) * mp.erfc(x),
         [-5.0, -1.0, -0.1, 0.0, 0.2, 0.449, 0.45, 0.6, 1.0, 2.2, 5.0, 11.0, 20.0, 27.9, 28.1, 100.0, 1e5])
tabulate("normal_cdf", mp.ncdf, line)
tabulate("normal_log_cdf", lambda x: mp.log(mp.ncdf(x)), line + [-100.0, -1000.0])


def erfinv(x):
    return mp.erfinv(x)


tabulate("erfinv", erfinv, [-0.999999, -0.9, -0.5, -1e-5, 1e-12, 0.01, 0.3, 0.7, 0.849, 0.851, 0.99, 1 - 1e-10])


def quantile_of(p):
    with mp.workdps(400 if p < 1e-30 else 60):
        guess = -mp.sqrt(-2 * mp.log(p)) if p < 0.1 else mp.sqrt(2) * mp.erfinv(2 * p - 1)
        return mp.findroot(lambda z: mp.log(mp.ncdf(z)) - mp.log(p), guess)


tabulate("normal_quantile", quantile_of,
         [1e-300, 1e-100, 1e-20, 1e-12, 1e-5, 0.01, 0.07, 0.0751, 0.2, 0.4999, 0.5001, 0.9, 0.95, 0.999999])
mp.mp.dps = 400
tabulate("log1m_exp", lambda x: mp.log(1 - mp.exp(x)),
         [-1e-300, -1e-20, -1e-9, -0.01, -0.5, -0.69, -0.7, -1.0, -5.0, -30.0, -300.0])
tabulate("log_add_exp", lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
         *pairs([-700.0, -3.0, 0.0, 0.4, 12.0, 800.0], [-701.0, -2.9, 5.0, 790.0]))

path = pathlib.Path(__file__).with_name("special.json")
lines = [f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in table) + "\n]" for name, table in rows.items()]
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
