"""Fits the cost model to observations. Imports torch and pyro."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from flowir.cost.answers import AgreementPosterior, WrongAnswers, routing, wrong_answers
from flowir.cost.checks import Check, quantity_checks, success_checks
from flowir.cost.checks import warnings as failures
from flowir.cost.cost_model import CostModel
from flowir.cost.effects import agreement_parameters
from flowir.cost.inference import Draws, infer
from flowir.cost.latency import Decoding, decodings, with_pace
from flowir.cost.lattice import normal_lattice
from flowir.cost.model import (
    AgreementData,
    QuantityData,
    agreement_model,
    quantity_model,
    success_data,
    success_model,
)
from flowir.cost.options import FitOptions
from flowir.cost.posterior import QuantityPosterior, SuccessPosterior, cholesky_of
from flowir.cost.prompts import prompt_lengths
from flowir.cost.report import remarks
from flowir.cost.series import (
    LATENCY,
    MONEY,
    OUTPUT_TOKENS,
    PACE,
    Arm,
    LogTable,
    binary_table,
    log_table,
)
from flowir.errors import CostModelError
from flowir.profile.observations import Observations

Floats = npt.NDArray[np.float64]
ROUGH = 0.4
"""Below this acceptance of chains a user is warned."""

Progress = Callable[[str], None]


def fit(
    observations: Observations,
    *,
    options: FitOptions,
    progress: Progress | None = None,
) -> CostModel:
    """The posterior of the cost model, the same bytes for the same observations and options.

    progress: called with one line of text as each part begins.

    Raises:
        CostModelError: there is no usable row (all are infrastructure errors).
    """
    say = progress or _silent
    kept = observations.without_errors()
    if not len(kept):
        raise CostModelError(
            "no usable observation: every row has an error set; add rows of calls that finished"
        )
    warnings = remarks(observations)
    success = _fit_success(kept, options, say, warnings)
    difficulty = _difficulty(success, len(kept.queries), options)
    quantities = {}
    decoding = decodings(kept)
    for quantity, column in _columns(kept, decoding).items():
        table = log_table(kept, quantity, column)
        if table.arms:
            say(f"fitting {quantity} of {len(table.arms)} configurations")
            quantities[quantity] = _fit_quantity(quantity, table, difficulty, options, warnings)
    say("checking the fit against the observations")
    checks = _checks(success, quantities, difficulty, options)
    warnings += failures(checks)
    agreement = {
        agent: _fit_agreement(data, difficulty, options)
        for agent, data in wrong_answers(kept).items()
        if data.informative
    }
    return CostModel(
        agents=kept.agents,
        queries=kept.queries,
        success=success,
        quantities=quantities,
        prompts=prompt_lengths(kept, difficulty),
        decoding=decoding,
        agreement=agreement,
        routing=routing(kept),
        difficulty=difficulty,
        stored=options.draws,
        checks=tuple(checks),
        warnings=tuple(warnings),
    )


def _fit_success(
    observations: Observations, options: FitOptions, say: Progress, warnings: list[str]
) -> SuccessPosterior | None:
    table = binary_table(observations)
    if not table.arms:
        return None
    say(f"fitting success of {len(table.arms)} series on {len(observations.queries)} queries")
    nodes = normal_lattice(options.points, options.factors)
    data = success_data(
        table.kinds,
        table.right,
        table.trials,
        cholesky_of(table.arms, table.kinds),
        nodes,
    )
    draws = infer(
        success_model, data, method=options.method, draws=options.draws, seed=options.seed
    )
    _warn_of_rough(draws, "success", warnings)
    return SuccessPosterior(table.arms, table.kinds, table.right, table.trials, draws.values, nodes)


def _difficulty(success: SuccessPosterior | None, queries: int, options: FitOptions) -> Floats:
    """[Q, factors] posterior mean difficulty, at the mean of the drawn parameters."""
    if success is None:
        return np.zeros((queries, options.factors))
    location, loading, concentration = success.parameters(np.arange(success.draws))
    weight = success.responsibilities(
        location.mean(0),
        loading.mean(0),
        np.exp(np.log(concentration).mean(0)),
        np.arange(queries),
    )
    return weight @ success.nodes


def _fit_quantity(
    name: str, table: LogTable, difficulty: Floats, options: FitOptions, warnings: list[str]
) -> QuantityPosterior:
    import torch

    seen = table.mean[table.count > 0]
    centre, spread = float(seen.mean()), float(max(seen.std(), 0.3))
    cholesky = cholesky_of(table.arms, [0] * len(table.arms))
    data = QuantityData(
        torch.as_tensor(table.count),
        torch.as_tensor(table.mean),
        torch.as_tensor(table.squares),
        torch.as_tensor(difficulty),
        torch.as_tensor(cholesky),
        centre,
        spread,
    )
    draws: Draws = infer(
        quantity_model, data, method="laplace", draws=options.draws, seed=options.seed + 1
    )
    _warn_of_rough(draws, name, warnings)
    return QuantityPosterior(
        table.arms, table.count, table.mean, table.squares, draws.values, centre, spread
    )


def _columns(observations: Observations, decoding: Mapping[Arm, Decoding]) -> dict[str, Floats]:
    """[N] values of every quantity; latency only of arms whose tokens do not explain it."""
    pace = with_pace(observations, decoding)
    return {
        PACE: pace,
        LATENCY: np.where(np.isnan(pace), observations.latency_s, np.nan),
        OUTPUT_TOKENS: observations.output_tokens,
        MONEY: observations.cost_usd,
    }


def _checks(
    success: SuccessPosterior | None,
    quantities: dict[str, QuantityPosterior],
    difficulty: Floats,
    options: FitOptions,
) -> list[Check]:
    checks = [] if success is None else success_checks(success, difficulty, options.seed)
    for name, part in quantities.items():
        checks += quantity_checks(part, name, difficulty, options.draws, options.seed)
    return checks


def _warn_of_rough(draws: Draws, part: str, warnings: list[str]) -> None:
    if draws.acceptance < ROUGH:
        warnings.append(
            f"the posterior of {part} is hard to sample (acceptance {draws.acceptance:.2f}): "
            "intervals may be too narrow; method nuts is slower and exact"
        )


def _fit_agreement(
    data: WrongAnswers, difficulty: Floats, options: FitOptions
) -> AgreementPosterior:
    import torch

    tensors = AgreementData(
        *(torch.as_tensor(values) for values in (data.wrong, data.largest, data.ties, difficulty))
    )
    draws = infer(
        agreement_model, tensors, method="laplace", draws=options.draws, seed=options.seed + 2
    )
    location, slope, concentration = agreement_parameters(draws.values, np)
    return AgreementPosterior(data, location, slope, concentration)


def _silent(_: str) -> None:
    pass
