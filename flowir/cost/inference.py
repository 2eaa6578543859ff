"""Posterior draws of a Pyro model of standard normal sites: Laplace or NUTS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.cost.options import Method
from flowir.errors import CostModelError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """Posterior draws and how well they were found.

    Attributes:
        values: site -> [draws, ...].
        log_weights: [draws] log importance weight of each draw under the exact posterior, of mean
            0; zeros for NUTS.
        warnings: what a user should know, one sentence each.
    """

    values: dict[str, Any]
    log_weights: Floats
    warnings: tuple[str, ...] = ()


class Target:
    """The log density of a Pyro model, as a function of one flat vector of all sites."""

    def __init__(self, model: Callable[[Any], None], data: Any) -> None:
        from pyro.infer.mcmc.util import initialize_model

        initial, potential, _, _ = initialize_model(model, model_args=(data,))
        self.shapes = {name: tuple(value.shape) for name, value in initial.items()}
        self.dtype = next(iter(initial.values())).dtype
        self._potential = potential

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

    def negative_log_density(self, flat: Any) -> Any:
        return self._potential(self.sites(flat))


def infer(
    model: Callable[[Any], None], data: Any, *, method: Method, draws: int, seed: int
) -> Draws:
    """Draws from the posterior of `model(data)`; all its sites are standard normal vectors.

    Raises:
        CostModelError: the log density is not finite where the search ended.
    """
    import pyro
    import torch

    with torch.random.fork_rng(devices=[]):
        pyro.set_rng_seed(seed)
        pyro.clear_param_store()
        target = Target(model, data)
        if method == "nuts":
            return _nuts(model, data, draws)
        mode = _mode(target)
        return _laplace(target, mode, draws)


def _mode(target: Target) -> Any:
    """The posterior mode, by L-BFGS from the prior mean."""
    import torch

    flat = torch.full((target.size,), 0.01, dtype=target.dtype, requires_grad=True)
    search = torch.optim.LBFGS(
        [flat],
        max_iter=500,
        history_size=40,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-5,
        tolerance_change=1e-8,
    )

    def closure() -> Any:
        search.zero_grad()
        loss = target.negative_log_density(flat)
        loss.backward()
        return loss

    search.step(closure)
    if not bool(torch.isfinite(flat).all()):
        raise CostModelError("the fit diverged; look for extreme values in the observations")
    return flat.detach()


def _laplace(target: Target, mode: Any, draws: int) -> Draws:
    """Gaussian around the mode with the inverse Hessian (Tierney and Kadane 1986)."""
    import torch

    hessian = torch.autograd.functional.hessian(target.negative_log_density, mode)
    values, vectors = torch.linalg.eigh(0.5 * (hessian + hessian.T))
    # Sites are standard normal a priori, so no direction is less certain than the prior by much.
    values = values.clamp(min=0.5)
    noise = torch.randn(draws, target.size, dtype=target.dtype)
    flat = mode + (noise / values.sqrt()) @ vectors.T
    log_proposal = -0.5 * (noise**2).sum(-1)
    with torch.no_grad():
        log_target = -torch.stack([target.negative_log_density(one) for one in flat])
    weights = (log_target - log_proposal).numpy()
    sites = {name: value.numpy() for name, value in target.sites(flat).items()}
    return Draws(sites, weights - weights.mean())


def _nuts(model: Callable[[Any], None], data: Any, draws: int) -> Draws:
    from pyro.infer import MCMC, NUTS

    chain = MCMC(
        NUTS(model), num_samples=draws, warmup_steps=draws, disable_progbar=True, num_chains=1
    )
    chain.run(data)
    sites = {name: value.numpy() for name, value in chain.get_samples().items()}
    return Draws(sites, np.zeros(draws))
