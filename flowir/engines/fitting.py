"""Engines from measurements: what was seen under load, taken apart into prefill and decode."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.errors import ProfileError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LoadedStep:
    """A closed loop: so many requests always open, each followed by another like it.

    Attributes:
        per_output_token_s: mean time per output token after the first.
    """

    concurrency: int
    input_tokens: float
    output_tokens: float
    per_output_token_s: float


@dataclass(frozen=True)
class Fit:
    """Coefficients of an engine; `error` is the mean absolute relative error, of n rows."""

    decode_base_s: float
    decode_per_request_s: float
    decode_per_context_token_s: float
    prefill_per_token_s: float
    error: float
    rows: int


def fit_load(rows: Sequence[LoadedStep]) -> Fit:
    """Decode and prefill from times per output token alone.

    In a closed loop of b requests with n tokens in and m out, while one request writes its m
    tokens each of the other b − 1 is prefilled once, and decoding stands still meanwhile:

        TPOT = decode_base + b · per_request + b · (n + m / 2) · per_context
               + (b − 1) · n / m · prefill

    Times to the first token are not used: they contain waiting. Least squares of relative errors,
    no coefficient below zero.

    Raises:
        ProfileError: fewer rows than coefficients.
    """
    if len(rows) < 4:
        raise ProfileError(f"{len(rows)} loads do not fix 4 coefficients; measure more")
    b = np.array([row.concurrency for row in rows], float)
    n = np.array([row.input_tokens for row in rows])
    m = np.array([row.output_tokens for row in rows])
    seen = np.array([row.per_output_token_s for row in rows])
    columns = np.stack([np.ones_like(b), b, b * (n + m / 2), (b - 1) * n / m], axis=1)
    found = non_negative(columns, seen)
    base, request, context, prefill = (float(value) for value in found)
    return Fit(base, request, context, prefill, relative_error(columns @ found, seen), len(rows))


def fit_line(requests: Sequence[float], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Time of a decode step as a line in the requests: base, per request, and the error.

    Raises:
        ProfileError: fewer than two rows.
    """
    if len(requests) < 2:
        raise ProfileError("a line needs at least two loads; measure more")
    b, seen = np.array(requests, float), np.array(seconds, float)
    columns = np.stack([np.ones_like(b), b], axis=1)
    base, slope = found = non_negative(columns, seen)
    return float(base), float(slope), relative_error(columns @ found, seen)


def non_negative(columns: Floats, seen: Floats) -> Floats:
    """Least squares of relative errors with coefficients of at least zero.

    Args:
        columns: [rows, coefficients], few coefficients: every set of those above zero is tried.
        seen: [rows], above zero.
    """
    weighted, target = columns / seen[:, None], np.ones_like(seen)
    count = columns.shape[1]
    best, least = np.zeros(count), float(len(seen))
    for chosen in itertools.product((False, True), repeat=count):
        if not any(chosen):
            continue
        mask = np.array(chosen)
        part, *_ = np.linalg.lstsq(weighted[:, mask], target, rcond=None)
        error = float(np.sum((weighted[:, mask] @ part - target) ** 2))
        if (part >= 0).all() and error < least:
            best, least = np.zeros(count), error
            best[mask] = part
    return best


def relative_error(predicted: Floats, seen: Floats) -> float:
    """Mean of |predicted / seen − 1|."""
    return float(np.mean(np.abs(predicted / seen - 1)))
