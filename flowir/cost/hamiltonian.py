"""Many short Hamiltonian chains at once, from a Gaussian that is already close to the posterior.

In the whitened space of that Gaussian the target is nearly N(0, I), of which a trajectory a quarter
of a period long draws independently whatever the dimension, where importance weights degenerate.
Chains start at draws of the Gaussian and forget them in a few trajectories (Neal 2011, "MCMC using
Hamiltonian dynamics", sections 4.1 and 5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CHAINS = 32
WARMING, LONGEST_WARMING, KEPT = 6, 40, 4
"""Trajectories before the first state is kept, more where the Gaussian fits badly, and how many
states of each chain are kept."""
STEPS = 5
"""Leapfrog steps of a trajectory: about a quarter of a period at the first size."""
FIRST_SIZE, LARGEST_SIZE = 0.3, 0.4
WANTED, ENOUGH = 0.8, 0.6
"""Acceptance that step sizes are adapted to while warming, and that ends it."""


def hamiltonian_draws(
    gradient: Callable[[Any], tuple[Any, Any]], centre: Any, root: Any, draws: int
) -> tuple[Any, float]:
    """([draws, size] states, mean acceptance) of chains on the density behind `gradient`.

    gradient: [B, size] -> ([B] log density, [B, size] its gradient); centre [size] and root
    [size, size] are those of the Gaussian. Randomness is torch's own.
    """
    import torch

    chains = min(CHAINS, draws)
    kept = -(-draws // chains)
    size = FIRST_SIZE

    def whitened(place: Any) -> tuple[Any, Any]:
        density, slope = gradient(centre + place @ root.T)
        return density, slope @ root

    place = torch.randn(chains, len(centre), dtype=centre.dtype)
    density, slope = whitened(place)
    states, acceptances = [], []
    warming = 0
    while len(states) < max(kept, KEPT):
        momentum = torch.randn_like(place)
        # Sizes vary: a fixed one can be a whole period of some direction.
        step = size * (0.8 + 0.4 * float(torch.rand(())))
        new, new_density, new_slope = place, density, slope
        force = momentum + 0.5 * step * slope
        for number in range(STEPS):
            new = new + step * force
            new_density, new_slope = whitened(new)
            force = force + step * new_slope * (0.5 if number == STEPS - 1 else 1.0)
        gain = new_density - density - 0.5 * ((force**2).sum(-1) - (momentum**2).sum(-1))
        gain = torch.nan_to_num(gain, nan=-torch.inf)
        accepted = torch.rand(chains, dtype=centre.dtype).log() < gain
        place = torch.where(accepted[:, None], new, place)
        density = torch.where(accepted, new_density, density)
        slope = torch.where(accepted[:, None], new_slope, slope)
        acceptance = float(gain.clamp(max=0.0).exp().mean())
        if states or warming >= LONGEST_WARMING or (warming >= WARMING and acceptance > ENOUGH):
            states.append(place)
            acceptances.append(acceptance)
        else:
            warming += 1
            size = min(size * (1.0 + 0.6 * (acceptance - WANTED)), LARGEST_SIZE)
    flat = torch.cat(states[-kept:])[:draws]
    return centre + flat @ root.T, sum(acceptances) / len(acceptances)
