"""Prints the polynomial coefficients of `src/kernels/math.rs`.

Each polynomial interpolates its function at Chebyshev nodes (near-minimax), solved in 150 digits and
then rounded. Needs mpmath 1.3; run `python gen_coefficients.py`; the last column is the largest error
relative to the function, before rounding of the coefficients.
"""
import mpmath as mp

mp.mp.dps = 150


def fit(f, lo, hi, degree):
    lo, hi = mp.mpf(lo), mp.mpf(hi)
    n = degree + 1
    nodes = [(lo + hi) / 2 + (hi - lo) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    matrix = mp.matrix(n, n)
    for i, x in enumerate(nodes):
        for j in range(n):
            matrix[i, j] = x**j
    coefficients = mp.lu_solve(matrix, mp.matrix([f(x) for x in nodes]))
    worst = mp.mpf(0)
    for k in range(401):
        x = lo + (hi - lo) * k / 400 + mp.mpf(10) ** -30
        worst = max(worst, abs(mp.polyval(list(coefficients)[::-1], x) / f(x) - 1))
    return list(coefficients), worst


def show(name, f, lo, hi, degree32, degree64):
    for kind, degree in (("f32", degree32), ("f64", degree64)):
        coefficients, worst = fit(f, lo, hi, degree)
        digits = 9 if kind == "f32" else 17
        print(f"{name} {kind} degree {degree} error {mp.nstr(worst, 3)}")
        print("&[" + ", ".join(mp.nstr(c, digits, min_fixed=-3, max_fixed=3) for c in coefficients) + "]")


HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.0001")
# exp(r) = 1 + r + r² P(r)
show("EXP", lambda r: (mp.expm1(r) - r) / r**2 if abs(r) > 1e-40 else mp.mpf(1) / 2, -HALF_LN2, HALF_LN2, 4, 9)
# ln(1 + f) = 2 atanh(s), s = f / (2 + f); 2 atanh(s) = 2 s + s z Q(z), z = s²
Z = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")
show("LN", lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z, mp.mpf(10) ** -9, Z, 3, 6)
# sin(2 pi a) = a S(a²), cos(2 pi a) = 1 + a² C(a²), |a| <= 1/8
TURN = mp.mpf(1) / 64 * mp.mpf("1.0001")
show("SIN_TURN", lambda z: mp.sin(2 * mp.pi * mp.sqrt(z)) / mp.sqrt(z), mp.mpf(10) ** -12, TURN, 3, 6)
show("COS_TURN", lambda z: (mp.cos(2 * mp.pi * mp.sqrt(z)) - 1) / z, mp.mpf(10) ** -12, TURN, 3, 6)
# erf(x) = x E(x²), |x| <= 1
show("ERF", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z), mp.mpf(10) ** -12, 1, 6, 12)
# (1 + 2 x) exp(x²) erfc(x), t = (x - K) / (x + K), x in [1/2, 28] (Shepherd and Laframboise 1981)
K = mp.mpf("3.75")


def scaled_erfc(t):
    x = K * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


low, high = (mp.mpf("0.45") - K) / (mp.mpf("0.45") + K), (mp.mpf(28) - K) / (mp.mpf(28) + K)
show("ERFC", scaled_erfc, low, high, 12, 20)
