#!/usr/bin/env python3
"""Coefficients of the polynomials in Sources/CKernels/kernels/functions.h.

Each is a weighted least-squares fit in high precision, re-weighted a few times towards the points of largest error
(Lawson's iteration, which tends to the minimax polynomial), then rounded to float. Needs mpmath and numpy.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def fit(name, f, low, high, degree, weight=lambda x: 1, points=400, rounds=60):
    """f on [low, high] by a polynomial; `weight(x)` is what the error is multiplied with."""
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * points)) for i in range(points)]
    y = np.array([float(f(x)) for x in nodes], dtype=np.longdouble)
    w = np.array([float(weight(x)) for x in nodes], dtype=np.longdouble)
    x = np.array([float(t) for t in nodes], dtype=np.longdouble)
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    basis = np.polynomial.chebyshev.chebvander(((x - middle) / half).astype(float), degree)
    importance = np.ones(points)
    for _ in range(rounds):
        s = np.sqrt(importance) * w.astype(float)
        c, *_ = np.linalg.lstsq(basis * s[:, None], (y * s).astype(float), rcond=None)
        error = np.abs((basis @ c - y.astype(float)) * w.astype(float))
        importance = importance * (error + error.max() * 1e-3)
        importance /= importance.sum()
    power = np.polynomial.chebyshev.Chebyshev(c, domain=[float(x.min()), float(x.max())]).convert(
        kind=np.polynomial.Polynomial, domain=[-1, 1], window=[-1, 1]).coef
    print(f"// {name}: largest weighted error {error.max():.2e}")
    print("    " + ", ".join(f"{np.float32(v):.9g}f" for v in power) + "\n")


if __name__ == "__main__":
    half = mp.log(2) / 2
    small = lambda x: abs(x) < mp.mpf(10) ** -6
    # exp(r) = 1 + r + r^2 P(r)
    fit("exp", lambda r: mp.mpf(1) / 2 if small(r) else (mp.e ** r - 1 - r) / r ** 2, -half * 1.001, half * 1.001, 4,
        lambda r: r * r)
    # log(1 + f) = f - f^2 / 2 + f^3 P(f)
    fit("log", lambda f: mp.mpf(1) / 3 if small(f) else (mp.log(1 + f) - f + f * f / 2) / f ** 3,
        mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 8, lambda f: f * f)
    # tanh(x) = x + x^3 P(x^2)
    fit("tanh", lambda s: -mp.mpf(1) / 3 if s < 1e-7 else (mp.tanh(mp.sqrt(s)) / mp.sqrt(s) - 1) / s,
        mp.mpf(0), mp.mpf("0.4"), 5, lambda s: s)
    # erf(x) = x + x P(x^2) below 1
    fit("erf, |x| < 1", lambda s: 2 / mp.sqrt(mp.pi) - 1 if s < 1e-12 else mp.erf(mp.sqrt(s)) / mp.sqrt(s) - 1,
        mp.mpf(0), mp.mpf(1), 6)
    # erf(x) = 1 - exp(-P(x - 2)) from 1 to 4
    fit("erf, 1 <= |x| < 4", lambda u: -mp.log(mp.erfc(u + 2)), mp.mpf(-1), mp.mpf(2), 8, lambda u: mp.erfc(u + 2))
