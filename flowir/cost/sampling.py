"""Scenarios from posterior draws: per (draw, query), rates, latencies and tokens of any arm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import GivenRates
from flowir.cost.effects import mixing, shared_effect
from flowir.cost.lattice import shifted_lattice
from flowir.cost.posterior import QuantityPosterior, SuccessPosterior, conditional_mean
from flowir.cost.series import Arm
from flowir.cost.special import normal_quantile

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

LARGEST_SCALE = 1.5
"""Noise scales of log quantities are cut here: beyond it the mean of a log-normal says nothing."""


@dataclass(frozen=True)
class QuerySample:
    """The queries of each draw.

    Attributes:
        draw: [D] which stored posterior draw.
        observed: [D, Q] index of the observed query, None for fresh queries.
        difficulty: [D, Q, factors] latent difficulty of each.
        expected: [D, Q, factors] what latencies and tokens depend on: the posterior mean of the
            difficulty.
        seed: of everything drawn for them.
        drawn: what was drawn for all arms of a quantity, by name.
        latest: the arm last asked for and what was drawn for it, by quantity: tokens are asked for
            again by latency and by money.
    """

    draw: Indices
    observed: Indices | None
    difficulty: Floats
    expected: Floats
    seed: int
    drawn: dict[str, Floats] = field(default_factory=dict, compare=False, repr=False)

    latest: dict[str, tuple[Arm, tuple[Floats, Floats, bool]]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def once(self, name: str, draw: Callable[[np.random.Generator], Floats]) -> Floats:
        """What `draw` gives with a generator of its own, drawn when it is first asked for."""
        if name not in self.drawn:
            self.drawn[name] = draw(self.rng(name, "shared"))
        return self.drawn[name]

    def rng(self, *names: object) -> np.random.Generator:
        """A generator of its own for what the names say: other draws do not move it."""
        return stream(self.seed, *names)


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator keyed by a seed and names."""
    digest = hashlib.blake2b(repr(tuple(str(n) for n in names)).encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])


def fresh_queries(known: Floats, stored: int, draws: int, queries: int, seed: int) -> QuerySample:
    """Queries never seen: θ ~ N(0, I), spread evenly within each draw.

    known: [Q, factors] posterior mean difficulty θ̂ of the observed queries. What amounts depend on
    is θ̂: with covariance R it is R θ and noise of covariance R - R², as if these were observed too.
    """
    rng = stream(seed, "fresh queries")
    difficulty = np.stack([shifted_lattice(queries, known.shape[1], rng) for _ in range(draws)])
    values, vectors = np.linalg.eigh(known.T @ known / len(known))
    reliability = np.clip(values, 0.0, 1.0)
    own = difficulty @ vectors * reliability
    own += rng.standard_normal(own.shape) * np.sqrt(reliability * (1 - reliability))
    return QuerySample(chosen_draws(stored, draws), None, difficulty, own @ vectors.T, seed)


def observed_queries(
    posterior: SuccessPosterior | None,
    expected: Floats,
    stored: int,
    draws: int,
    queries: int,
    seed: int,
) -> QuerySample:
    """The queries of the observations, each once per draw.

    Fewer are a random subset per draw; more are whole copies and a random subset per draw, so that
    over draws every query counts the same. expected: [Q, factors] posterior mean difficulty.
    """
    rng = stream(seed, "observed queries")
    known, factors = expected.shape
    copies, rest = divmod(queries, known)
    observed = np.empty((draws, queries), dtype=np.int64)
    for d in range(draws):
        subset = np.sort(rng.permutation(known)[:rest])
        observed[d] = np.concatenate([np.tile(np.arange(known), copies), subset])
    chosen = chosen_draws(stored, draws)
    difficulty = np.zeros((draws, queries, factors))
    if posterior is not None:
        for d in range(draws):
            distinct, position = np.unique(observed[d], return_inverse=True)
            weight = posterior.difficulty(int(chosen[d]), distinct).cumsum(axis=1)[position]
            node = (rng.random((queries, 1)) > weight).sum(axis=1)
            difficulty[d] = posterior.nodes[np.minimum(node, len(posterior.nodes) - 1)]
    return QuerySample(chosen, observed, difficulty, expected[observed], seed)


def chosen_draws(stored: int, draws: int) -> Indices:
    """Which stored draws stand for `draws` of them: evenly spread, cycled when there are more."""
    if draws <= stored:
        return (np.arange(draws) * stored) // draws
    return np.arange(draws) % stored


def success(
    posterior: SuccessPosterior, sample: QuerySample, arm: Arm, kind: int
) -> tuple[Floats, bool]:
    """[D, Q] probability of one kind of event of an arm, and whether it was ever observed."""
    rng = sample.rng("success", arm, kind)
    location, loading, concentration = posterior.parameters_of(arm, kind, sample.draw, rng)
    score = location[:, None] + np.einsum("dqf,df->dq", sample.difficulty, loading)
    mean, total = conditional_mean(score), concentration[:, None]
    alpha, beta = mean * total, (1 - mean) * total
    index = posterior.series.get((arm, kind))
    known = index is not None
    if sample.observed is None:
        return balanced_beta(alpha, beta, rng), known
    if index is not None:
        right = posterior.right[index][sample.observed]
        alpha = alpha + right
        beta = beta + posterior.trials[index][sample.observed] - right
    return rng.beta(alpha, beta), known


def balanced_beta(alpha: Floats, beta: Floats, rng: np.random.Generator) -> Floats:
    """[D, Q] Beta variables whose mean over the queries of a draw is close to its expectation.

    In the order of their means, each variable is the smaller of two candidates where the sum so far
    is above its expectation and the larger one elsewhere. Minimum and maximum of two are mixed
    evenly in the long run, which is the Beta distribution again; sums no longer wander, so that
    intervals over draws show what is not known rather than which queries were drawn.
    """
    first, second = rng.beta(alpha, beta), rng.beta(alpha, beta)
    expected = alpha / (alpha + beta)
    order = np.argsort(expected, axis=1)

    def in_order(values: Floats) -> Floats:
        return np.ascontiguousarray(np.take_along_axis(values, order, axis=1).T)

    excess = expected.mean(axis=1) * (rng.random(len(alpha)) - 0.5)
    smaller = in_order(np.minimum(first, second) - expected)
    larger = in_order(np.maximum(first, second) - expected)
    picked = np.empty_like(smaller)
    for column in range(len(picked)):
        np.copyto(picked[column], larger[column])
        np.copyto(picked[column], smaller[column], where=excess > 0)
        excess += picked[column]
    chosen = np.empty_like(expected)
    np.put_along_axis(chosen, order, picked.T, axis=1)
    return np.asarray(np.clip(chosen + expected, 0.0, 1.0))


def balanced_normal(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """[D, Q] standard normal variables, one from each of Q equally likely strata per draw."""
    strata = rng.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1)
    return normal_quantile((strata + rng.random(shape)) / shape[1])


def log_quantity(
    posterior: QuantityPosterior, sample: QuerySample, arm: Arm, name: str
) -> tuple[Floats, Floats, bool]:
    """[D, Q] location and scale of the logarithm of a quantity, and whether it was observed.

    The effect h_q that arms share is drawn once per query, whatever arm is asked for.
    """
    latest = sample.latest.get(name)
    if latest is not None and latest[0] == arm:
        return latest[1]
    rng = sample.rng(name, arm)
    own = posterior.parameters_of(arm, sample.draw, rng)
    known = arm in posterior.place
    slope = np.einsum("dqf,df->dq", sample.expected, own["slope"])
    base = own["location"][:, None] + slope
    shape = (sample.difficulty.shape[0], sample.difficulty.shape[1])
    nu, noise, specific = (own[name][:, None] for name in ("nu", "noise", "specific"))
    if sample.observed is None:
        shared = sample.once(name, lambda shared_rng: balanced_normal(shape, shared_rng))
        mix = (nu - 2) / rng.chisquare(np.broadcast_to(nu, shape))
        effect = np.sqrt(mix) * specific * balanced_normal(shape, rng)
    else:
        shared = sample.once(
            name, lambda shared_rng: _observed_shared(posterior, sample, shared_rng)
        )
        count, mean, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        if known:
            index = posterior.place[arm]
            count = posterior.count[index][sample.observed]
            mean = posterior.mean[index][sample.observed]
            squares = posterior.squares[index][sample.observed]
        residual = np.where(count > 0, mean - base - own["loading"][:, None] * shared, 0.0)
        # The part of s² that is the query's; all of it where there are no calls.
        share = specific**2 * count / (specific**2 * count + noise**2)
        strayed = squares / noise**2 + residual**2 * count / (specific**2 * count + noise**2)
        mix = (nu - 2 + strayed) / rng.chisquare(nu + count)
        effect = share * residual
        effect = effect + specific * np.sqrt(mix * (1 - share)) * rng.standard_normal(shape)
    location = base + own["loading"][:, None] * shared + effect
    found = location, np.minimum(np.sqrt(mix) * noise, LARGEST_SCALE), known
    sample.latest[name] = arm, found
    return found


def _observed_shared(
    posterior: QuantityPosterior, sample: QuerySample, rng: np.random.Generator
) -> Floats:
    """[D, Q] draws of h_q given the means of every arm on that query."""
    observed = sample.observed
    assert observed is not None
    shared, bend = np.empty(observed.shape), np.empty(observed.shape)
    for d, queries in enumerate(observed):
        own = {n: v[0] for n, v in posterior.parameters(sample.draw[d : d + 1]).items()}
        count, squares = posterior.count[:, queries], posterior.squares[:, queries]
        degrees = np.maximum(count - 1, 0)
        residual = posterior.mean[:, queries] - own["location"][:, None]
        residual = residual - own["slope"] @ sample.expected[d].T
        spread, base = mixing(own, count, degrees, squares, np)
        shared[d], bend[d] = shared_effect(residual, spread, base, degrees, own, count > 0, np)
    return shared + rng.standard_normal(observed.shape) / np.sqrt(bend)


def given_rate(
    rate: float, persistence: float, shape: tuple[int, int], rng: np.random.Generator
) -> Floats:
    """[D, Q] rates of a checker whose verdicts persist on a query.

    Beta with mean `rate` and concentration (1 - ρ) / ρ: the intra-class correlation of two verdicts
    is the persistence ρ. ρ = 0 is a constant, ρ = 1 one verdict per query.
    """
    if persistence <= 0 or rate in (0.0, 1.0):
        return np.full(shape, rate)
    if persistence >= 1:
        return (rng.random(shape) < rate).astype(float)
    concentration = (1 - persistence) / persistence
    return rng.beta(rate * concentration, (1 - rate) * concentration, size=shape)


def given_rates(
    rates: GivenRates, name: str, shape: tuple[int, int], seed: int
) -> tuple[Floats, Floats]:
    """[D, Q] acceptance of right and of wrong values."""
    return (
        given_rate(rates.right, rates.persistence, shape, stream(seed, "given right", name)),
        given_rate(rates.wrong, rates.persistence, shape, stream(seed, "given wrong", name)),
    )


def rate_interval(posterior: SuccessPosterior, arm: Arm, kind: int) -> tuple[float, float]:
    """Central 95 % interval of the population mean of one rate."""
    draw = np.arange(posterior.draws)
    location, loading, _ = posterior.parameters_of(arm, kind, draw, stream(0, "interval", arm))
    means = conditional_mean(location[:, None] + loading @ posterior.nodes.T).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
