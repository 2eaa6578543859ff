"""From standard normal sites to the parameters of every series, for torch and numpy alike.

A site of E series is whitened: `cholesky @ site` has the prior correlation between arms. Appending
fresh standard normals and using the Cholesky factor of more arms therefore continues a posterior
draw to arms that were never observed: they follow their neighbours, and are as wide as the prior
where they have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

LOCATION_PRIOR = (0.5, -1.5, 2.5, -1.5)
"""Prior mean of the location per kind: most calls succeed, few recover, judges are decent."""
LOADING_PRIOR = (1.5, 1.0, 0.0, 0.0)
"""Prior mean of the loading on the first dimension per kind; this also fixes its sign."""
LOCATION_SCALE, LOADING_SCALE, MORE_LOADING_SCALE, CONCENTRATION_SCALE = 1.5, 0.8, 1.0, 1.0
"""Prior standard deviation between the arms of one kind, on the logistic and logarithmic scale."""

FEWEST_DEGREES = 4.0
"""Of freedom of Student errors: tails much heavier have no mean once they are exponentiated."""
RESOLUTION = 0.04
"""Logarithms of amounts are not told apart more closely than this: equal values, such as tokens cut
at a budget, would else outweigh all the others."""

REWEIGHTINGS = 3
"""Steps towards the mode of what arms share on a query."""

SERIES_AXIS = {"location": -1, "loading": -1, "more_loadings": -2, "concentration": -1}
ARM_AXIS = {"location": -1, "slope": -2, "loading": -1, "specific": -1, "noise": -1, "nu": -1}


def success_shapes(series: int, factors: int, kinds: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the sites of the success part."""
    shapes: dict[str, tuple[int, ...]] = {
        "kind_location": (kinds,),
        "kind_loading": (kinds,),
        "kind_concentration": (kinds,),
        "location": (series,),
        "loading": (series,),
        "concentration": (series,),
    }
    if factors > 1:
        shapes["more_loadings"] = (series, factors - 1)
    return shapes


def success_parameters(
    sites: Mapping[str, Any], kinds: Any, cholesky: Any, xp: ModuleType
) -> tuple[Any, Any, Any]:
    """([..., E] location, [..., E, factors] loading, [..., E] log concentration) of E series.

    sites: by name, any leading axes; kinds: [E]; cholesky: [E, E]; xp: numpy or torch.
    """

    def prior(means: tuple[float, ...]) -> Any:
        return xp.asarray(means, dtype=cholesky.dtype)[kinds]

    location = (
        prior(LOCATION_PRIOR)
        + 1.5 * sites["kind_location"][..., kinds]
        + LOCATION_SCALE * (sites["location"] @ cholesky.T)
    )
    first = (
        prior(LOADING_PRIOR)
        + 0.75 * sites["kind_loading"][..., kinds]
        + LOADING_SCALE * (sites["loading"] @ cholesky.T)
    )
    log_concentration = sites["kind_concentration"][..., kinds] + CONCENTRATION_SCALE * (
        sites["concentration"] @ cholesky.T
    )
    loading = first[..., None]
    if "more_loadings" in sites:
        more = MORE_LOADING_SCALE * (cholesky @ sites["more_loadings"])
        loading = xp.concatenate([loading, more], -1)
    return location, loading, log_concentration


def quantity_shapes(arms: int, factors: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the sites of one quantity."""
    shapes: dict[str, tuple[int, ...]] = {"common": (5,)}
    for name in ARM_AXIS:
        shapes[name] = (arms, factors) if name == "slope" else (arms,)
    return shapes


def quantity_parameters(
    sites: Mapping[str, Any], centre: float, spread: float, cholesky: Any, xp: ModuleType
) -> dict[str, Any]:
    """[..., E] location, loading, specific, noise, nu and [..., E, factors] slope of E arms."""
    common = sites["common"][..., None]

    def pooled(name: str) -> Any:
        return sites[name] @ cholesky.T

    return {
        "location": centre + 2.0 * spread * common[..., 0, :] + 1.5 * pooled("location"),
        "slope": 0.3 * (cholesky @ sites["slope"]),
        "loading": 0.3 * xp.exp(common[..., 1, :]) + 0.3 * pooled("loading"),
        "specific": RESOLUTION + xp.exp(-1.5 + common[..., 2, :] + 0.7 * pooled("specific")),
        "noise": RESOLUTION + xp.exp(-1.5 + common[..., 3, :] + 0.7 * pooled("noise")),
        "nu": FEWEST_DEGREES + xp.exp(1.0 + common[..., 4, :] + 0.5 * pooled("nu")),
    }


def mixing(
    effects: Mapping[str, Any], count: Any, degrees: Any, squares: Any, xp: ModuleType
) -> tuple[Any, Any]:
    """[..., E, Q] s² = τ² + σ²/n and ν - 2 + S/σ² of arms and queries; see the model.

    count, degrees, squares: [..., E, Q].
    """
    variance = effects["noise"][..., None] ** 2
    spread = effects["specific"][..., None] ** 2 + variance / xp.clip(count, 1.0, None)
    return spread, effects["nu"][..., None] - 2 + squares / variance


def shared_effect(
    residual: Any,
    spread: Any,
    base: Any,
    degrees: Any,
    effects: Mapping[str, Any],
    observed: Any,
    xp: ModuleType,
) -> tuple[Any, Any]:
    """[..., Q] mode of h given the residuals [..., E, Q] of all arms, and the curvature there.

    Iteratively reweighted least squares for Student errors (Lange, Little and Taylor 1989).
    """
    loading, nu = effects["loading"][..., None], effects["nu"][..., None]
    weight = (nu + degrees - 2) / base
    for _ in range(REWEIGHTINGS):
        precision = xp.where(observed, weight / spread, xp.zeros_like(spread))
        information = 1 + (loading**2 * precision).sum(-2)
        shared = (loading * precision * residual).sum(-2) / information
        left = (residual - loading * shared[..., None, :]) ** 2 / spread
        weight = (nu + degrees + 1) / (base + left)
    return shared, curvature(spread, base, left, degrees, effects, observed, xp)


def curvature(
    spread: Any,
    base: Any,
    left: Any,
    degrees: Any,
    effects: Mapping[str, Any],
    observed: Any,
    xp: ModuleType,
) -> Any:
    """[..., Q] second derivative of the negative log density in h, where left = r²/s² [..., E, Q].

    Arms so far out that they bend it the other way count nothing.
    """
    loading, nu = effects["loading"][..., None], effects["nu"][..., None]
    bend = (nu + degrees + 1) * (base - left) / (base + left) ** 2 / spread
    bend = xp.where(observed & (left < base), bend, xp.zeros_like(bend))
    return 1 + (loading**2 * bend).sum(-2)


def agreement_shapes(factors: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the sites of the agreement of wrong answers."""
    return {"location": (1,), "slope": (factors,), "concentration": (1,)}


def agreement_parameters(sites: Mapping[str, Any], xp: ModuleType) -> tuple[Any, Any, Any]:
    """([...] location, [..., factors] slope, [...] concentration) of one agent."""
    return (
        0.5 + 1.5 * sites["location"][..., 0],
        0.7 * sites["slope"],
        xp.exp(0.7 + 1.0 * sites["concentration"][..., 0]),
    )
