"""The Bayesian cost model: fitted to observations of single calls, it answers with scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowir.cost.cost_model import CostModel
from flowir.cost.options import FitOptions
from flowir.cost.predictive import predictive
from flowir.cost.storage import fit_cached, load, save

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowir.profile.observations import Observations


def fit(
    observations: Observations,
    *,
    options: FitOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> CostModel:
    """The posterior of the cost model; see :func:`flowir.cost.fitting.fit`. Imports torch."""
    from flowir.cost import fitting

    return fitting.fit(observations, options=options or FitOptions(), progress=progress)


__all__ = ["CostModel", "FitOptions", "fit", "fit_cached", "load", "predictive", "save"]
