"""Posterior draws of a Pyro model whose sites are standard normal vectors.

`laplace` (default) draws from the Gaussian at the posterior mode. Where their importance weights
are even (Rubin 1988), the draws are resampled by them; else, in many dimensions or far from a
Gaussian, they are where parallel Hamiltonian chains start, preconditioned by that Gaussian.
`svi` first fits the Gaussian by stochastic variational inference (Kucukelbir et al. 2017). `nuts`
is the no-U-turn sampler.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.cost.hamiltonian import hamiltonian_draws
from flowir.cost.options import Method
from flowir.errors import CostModelError

Floats = npt.NDArray[np.float64]
Model = Callable[[Any], None]

PARTICLES = 8
PROPOSALS = 2
"""Draws proposed for every draw kept."""
EVEN = 0.6
"""Weights whose effective share is below this are not trusted: weights say little of regions that
the Gaussian does not reach, and in many dimensions a few draws take all of it."""
BATCH = 32
"""Points whose gradients are taken at once: all chains; more do not fit the caches."""
DIFFERENCE = 1e-4
"""Step of the central differences of the gradient; sites have unit scale."""
RESTARTS, FLAT = 6, 0.5
"""Searches for the mode at most, and the gain in log density that is worth another."""
STEPS = 400
LEARNING_RATE = 0.02


@dataclass(frozen=True)
class Draws:
    """Posterior draws and how well they were found.

    Attributes:
        values: site -> [draws, ...].
        effective: share of the proposed draws that count, (Σw)² / (n Σw²); 1 for chains.
        acceptance: mean acceptance of chains; 1 where there were none.
    """

    values: dict[str, Any]
    effective: float = 1.0
    acceptance: float = 1.0


class Target:
    """The log density of a Pyro model as a function of one flat vector of all sites."""

    def __init__(self, model: Model, data: Any) -> None:
        import pyro
        import torch

        self.model, self.data = model, data
        sites = pyro.poutine.trace(model).get_trace(data).nodes
        sampled: dict[str, Any] = {
            name: site["value"]
            for name, site in sites.items()
            if site["type"] == "sample" and not site["is_observed"]
        }
        self.shapes = {name: tuple(value.shape) for name, value in sampled.items()}
        self.dtype: torch.dtype = next(iter(sampled.values())).dtype

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def sites(self, flat: Any) -> dict[str, Any]:
        """[..., size] split into sites."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            width = int(np.prod(shape))
            found[name] = flat[..., start : start + width].reshape(*flat.shape[:-1], *shape)
            start += width
        return found

    def log_density(self, flat: Any) -> Any:
        """[...] log joint density at [..., size]; at most one leading axis."""
        import pyro

        def conditioned(data: Any) -> None:
            with pyro.poutine.condition(data=self.sites(flat)):
                self.model(data)

        program = conditioned
        if flat.dim() > 1:
            program = pyro.plate("particles", flat.shape[0], dim=-1)(conditioned)
        with pyro.validation_enabled(False):
            trace = pyro.poutine.trace(program).get_trace(self.data)
            trace.compute_log_prob(lambda name, _: name not in self.shapes and name != "particles")
        # Sites are standard normal: one sum is many times faster than a density of each.
        found = -0.5 * (flat**2).sum(-1) - 0.5 * self.size * np.log(2 * np.pi)
        for site in trace.nodes.values():
            if "log_prob" in site:
                found = found + site["log_prob"]
        return found

    def gradient(self, flat: Any) -> tuple[Any, Any]:
        """[B] log density and its [B, size] gradient at [B, size]."""
        import torch

        densities, gradients = [], []
        for part in flat.split(BATCH):
            point = part.detach().requires_grad_(True)
            density = self.log_density(point)
            gradients.append(torch.autograd.grad(density.sum(), point)[0])
            densities.append(density.detach())
        return torch.cat(densities), torch.cat(gradients)


def infer(model: Model, data: Any, *, method: Method, draws: int, seed: int) -> Draws:
    """Draws from the posterior of `model(data)`, the same for the same seed.

    Raises:
        CostModelError: the log density is not finite where the search ended.
    """
    import pyro
    import torch

    with torch.random.fork_rng(devices=[]), _one_thread():
        pyro.set_rng_seed(seed)
        if method == "nuts":
            return _nuts(model, data, draws)
        target = Target(model, data)
        mode = _mode(target)
        root = _laplace_root(target, mode)
        centre = mode
        if method == "svi":
            centre, root = _full_rank(target, mode, root)
        found = _resampled(target, centre, root, draws)
        if found.effective >= EVEN:
            return found
        flat, acceptance = hamiltonian_draws(target.gradient, centre, root, draws)
        sites = {name: value.numpy() for name, value in target.sites(flat).items()}
        return Draws(sites, acceptance=acceptance)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over several threads depend on their number; these tensors are too small to gain."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _mode(target: Target) -> Any:
    """The posterior mode, by L-BFGS from close to the prior mean.

    Begun anew while that helps: a history from far away can stop the search early.
    """
    import torch

    class Search(torch.optim.LBFGS):  # type: ignore[misc]
        """Without torch's compiler, whose import takes longer than the search."""

        add_param_group = inspect.unwrap(torch.optim.LBFGS.add_param_group)

    flat = torch.full((target.size,), 0.01, dtype=target.dtype, requires_grad=True)
    before = -float("inf")
    for _ in range(RESTARTS):
        search = Search(
            [flat],
            max_iter=300,
            history_size=40,
            line_search_fn="strong_wolfe",
            tolerance_grad=3e-3,
            tolerance_change=1e-6,
        )
        search.step(partial(_loss, target, flat))
        if not bool(torch.isfinite(flat).all()):
            raise CostModelError("the fit diverged; look for extreme values in the observations")
        with torch.no_grad():
            after = float(target.log_density(flat))
        if after < before + FLAT:
            break
        before = after
    return flat.detach()


def _loss(target: Target, flat: Any) -> Any:
    flat.grad = None
    loss = -target.log_density(flat)
    loss.backward()
    return loss


def _laplace_root(target: Target, mode: Any) -> Any:
    """Lower Cholesky factor of the inverse Hessian at the mode (Tierney and Kadane 1986)."""
    import torch

    steps = DIFFERENCE * torch.eye(target.size, dtype=target.dtype)
    above, below = target.gradient(mode + steps)[1], target.gradient(mode - steps)[1]
    hessian = (below - above) / (2 * DIFFERENCE)
    values, vectors = torch.linalg.eigh(0.5 * (hessian + hessian.T))
    # Every site is standard normal a priori: no direction is much less certain than that.
    values = values.clamp(min=0.8)
    covariance = (vectors / values) @ vectors.T
    return torch.linalg.cholesky(0.5 * (covariance + covariance.T))


def _full_rank(target: Target, centre: Any, root: Any) -> tuple[Any, Any]:
    """Mean and Cholesky factor of the full-rank Gaussian that maximises the evidence bound.

    Steps are taken in the whitened space of the start, so that one learning rate fits all sites.
    """
    import torch

    size = target.size
    shift = torch.zeros(size, dtype=target.dtype, requires_grad=True)
    log_scale = torch.full((size,), -0.1, dtype=target.dtype, requires_grad=True)
    lower = torch.zeros(size, size, dtype=target.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([shift, log_scale, lower], lr=LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)

    def factor() -> Any:
        return torch.tril(lower, -1) / size**0.5 + torch.diag(torch.exp(log_scale))

    for _ in range(STEPS):
        half = torch.randn(PARTICLES // 2, size, dtype=target.dtype)
        noise = torch.cat([half, -half])
        flat = centre + (shift + noise @ factor().T) @ root.T
        loss = -target.log_density(flat).mean() - log_scale.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return centre + root @ shift, root @ factor()


def _resampled(target: Target, centre: Any, root: Any, draws: int) -> Draws:
    """Gaussian proposals, resampled by importance weight (Rubin 1988).

    Weights are cut at the square root of the number of proposals times their mean (Ionides 2008).
    """
    import torch

    with torch.no_grad():
        noise = torch.randn(PROPOSALS * draws, target.size, dtype=target.dtype)
        flat = centre + noise @ root.T
        density = torch.cat([target.log_density(part) for part in flat.split(BATCH)])
        log_weight = density + 0.5 * (noise**2).sum(-1)
        weight = torch.exp(log_weight - log_weight.max())
        weight = torch.minimum(weight, weight.mean() * len(weight) ** 0.5)
        effective = float(weight.sum() ** 2 / (weight**2).sum() / len(weight))
        # Systematic resampling: one uniform number, evenly spaced strata.
        positions = (torch.rand(1, dtype=target.dtype) + torch.arange(draws)) / draws
        cumulative = torch.cumsum(weight, 0) / weight.sum()
        chosen = torch.searchsorted(cumulative, positions).clamp(max=len(weight) - 1)
        flat = flat[chosen[torch.randperm(draws)]]
    return Draws({name: value.numpy() for name, value in target.sites(flat).items()}, effective)


def _nuts(model: Model, data: Any, draws: int) -> Draws:
    from pyro.infer import MCMC, NUTS

    chain = MCMC(NUTS(model), num_samples=draws, warmup_steps=draws, disable_progbar=True)
    chain.run(data)
    return Draws({name: value.numpy() for name, value in chain.get_samples().items()})
