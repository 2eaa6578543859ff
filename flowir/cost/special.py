"""Special functions that numpy lacks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SHIFT = 8
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)


def log_gamma(x: Floats) -> Floats:
    """log Γ(x) for x > 0, to about 1e-13 (Abramowitz and Stegun 6.1.41 after a shift of 8).

    Γ(x) = Γ(x + 8) / (x (x + 1) … (x + 7)).
    """
    x = np.asarray(x, dtype=np.float64)
    product = np.ones_like(x)
    for k in range(_SHIFT):
        product = product * (x + k)
    y = x + _SHIFT
    series = np.zeros_like(y)
    for coefficient in reversed(_STIRLING):
        series = series / y**2 + coefficient
    log_shifted = (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + series / y
    result: Floats = log_shifted - np.log(product)
    return result


_CENTRAL = (
    (
        -39.69683028665376,
        220.9460984245205,
        -275.9285104469687,
        138.3577518672690,
        -30.66479806614716,
        2.506628277459239,
    ),
    (
        -54.47609879822406,
        161.5858368580409,
        -155.6989798598866,
        66.80131188771972,
        -13.28068155288572,
        1.0,
    ),
)
_TAIL = (
    (
        -7.784894002430293e-03,
        -0.3223964580411365,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ),
    (7.784695709041462e-03, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0),
)
_EDGE = 0.02425


def normal_quantile(u: Floats) -> Floats:
    """Φ⁻¹(u) for 0 < u < 1, by Acklam's rational approximation (relative error below 1.2e-9)."""
    central = u - 0.5
    square = central**2
    value = np.asarray(
        central * _polynomial(_CENTRAL[0], square) / _polynomial(_CENTRAL[1], square)
    )
    outer = (u < _EDGE) | (u > 1 - _EDGE)
    tail = np.asarray(u)[outer]
    root = np.sqrt(-2 * np.log(np.maximum(np.minimum(tail, 1 - tail), 1e-300)))
    size = _polynomial(_TAIL[0], root) / _polynomial(_TAIL[1], root)
    value[outer] = np.where(tail < 0.5, size, -size)
    return value


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Horner's rule in place; the highest power first."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    return value
