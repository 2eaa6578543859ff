"""A fitted cost model as one file, and a cache of fits by the content of what was fitted."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from flowir.configuration import Configuration
from flowir.cost.answers import AgreementPosterior, RoutingPosterior, WrongAnswers
from flowir.cost.checks import Check
from flowir.cost.cost_model import CostModel
from flowir.cost.latency import Decoding
from flowir.cost.options import FitOptions
from flowir.cost.posterior import QuantityPosterior, SuccessPosterior
from flowir.cost.prompts import PromptLengths
from flowir.cost.series import Arm
from flowir.errors import CostModelError
from flowir.profile.observations import Observations

FORMAT = 3
"""Raise it when the file or the model changes meaning: fits of other formats are not read."""

Arrays = dict[str, Any]


def save(model: CostModel, path: str | os.PathLike[str]) -> None:
    """Write a cost model whole or not at all; a reader never sees a part.

    Raises:
        CostModelError: the folder is missing or may not be written.
    """
    target = Path(path)
    try:
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                _write(model, file)
            os.replace(draft, target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CostModelError(f"{target}: cannot be written ({error.strerror})") from None


def load(path: str | os.PathLike[str]) -> CostModel:
    """Read what `save` wrote, without torch.

    Raises:
        CostModelError: the file is missing, damaged, or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            if header["format"] != FORMAT:
                raise CostModelError(
                    f"{path}: a cost model of format {header['format']}, this flowir reads "
                    f"{FORMAT}; fit again"
                )
            return _read(header, arrays)
    except FileNotFoundError:
        raise CostModelError(f"{path}: there is no such file; fit first") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise CostModelError(f"{path}: not a cost model, or damaged; fit again") from None


def cache_folder() -> Path | None:
    """Where fits are kept: $FLOWIR_CACHE_DIR, else `flowir` in the user's cache folder.

    None where the user has no home folder; $XDG_CACHE_HOME counts if absolute, as its
    specification demands.
    """
    if chosen := os.environ.get("FLOWIR_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "flowir"
    except RuntimeError:
        return None


def cache_key(observations: Observations, options: FitOptions) -> str:
    """The same for the same rows in any order, options, and code that fits them."""
    words = [FORMAT, _code_hash(), observations.content_hash, astuple(options)]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:32]


@cache
def _code_hash() -> str:
    """Of this package: another version of the model fits other posteriors."""
    text = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text.update(path.read_bytes())
    return text.hexdigest()


def fit_cached(
    observations: Observations,
    *,
    options: FitOptions | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> CostModel:
    """The fit of these observations, from the cache where it is there; torch is then not imported.

    Safe under concurrent runs: files appear whole, and equal input gives equal content. A folder
    that cannot be written is not an error, the fit is then just not kept.

    Raises:
        CostModelError: the observations cannot be fitted.
    """
    from flowir.cost import fit

    options = options or FitOptions()
    kept = Path(folder) if folder is not None else cache_folder()
    if kept is None:
        return fit(observations, options=options, progress=progress)
    path = kept / f"cost-{cache_key(observations, options)}.npz"
    with suppress(CostModelError):
        return load(path)
    model = fit(observations, options=options, progress=progress)
    with suppress(OSError, CostModelError):
        kept.mkdir(parents=True, exist_ok=True)
        save(model, path)
    return model


def _write(model: CostModel, file: BinaryIO) -> None:
    arrays: Arrays = {"difficulty": model.difficulty}
    header: dict[str, Any] = {
        "format": FORMAT,
        "agents": model.agents,
        "queries": model.queries,
        "stored": model.stored,
        "warnings": model.warnings,
        "checks": [astuple(check) for check in model.checks],
        "success": None,
        "quantities": {},
        "prompts": None,
        "decoding": [
            [*_arms((arm,)), decoding.prefill_s, decoding.per_token_s]
            for arm, decoding in model.decoding.items()
        ],
        "agreement": list(model.agreement),
        "routing": {},
    }
    if model.success is not None:
        part = model.success
        header["success"] = {"arms": _arms(part.arms), "kinds": part.kinds}
        arrays |= {f"success/{name}": getattr(part, name) for name in ("right", "trials", "nodes")}
        arrays |= {f"success/site/{name}": value for name, value in part.sites.items()}
    for quantity, own in model.quantities.items():
        header["quantities"][quantity] = {
            "arms": _arms(own.arms),
            "centre": own.centre,
            "spread": own.spread,
        }
        arrays |= {f"{quantity}/{name}": getattr(own, name) for name in _STATISTICS}
        arrays |= {f"{quantity}/site/{name}": value for name, value in own.sites.items()}
    if model.prompts is not None:
        header["prompts"] = _arms(model.prompts.arms)
        arrays |= {f"prompts/{name}": getattr(model.prompts, name) for name in _PROMPTS}
    for number, agreement in enumerate(model.agreement.values()):
        arrays |= {f"agreement/{number}/{n}": getattr(agreement, n) for n in _AGREEMENT}
        arrays |= {f"agreement/{number}/{n}": getattr(agreement.data, n) for n in _GROUPS}
    for number, (agent, routes) in enumerate(model.routing.items()):
        header["routing"][agent] = {"labels": routes.labels, "arms": _arms(routes.arms)}
        arrays[f"routing/{number}"] = routes.counts
    np.savez(file, header=np.array(json.dumps(header)), **arrays)


_STATISTICS = ("count", "mean", "squares")
_PROMPTS = ("tokens", "order")
_AGREEMENT = ("location", "slope", "concentration")
_GROUPS = ("wrong", "largest", "ties")


def _read(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> CostModel:
    success = None
    if header["success"] is not None:
        success = SuccessPosterior(
            _read_arms(header["success"]["arms"]),
            tuple(header["success"]["kinds"]),
            arrays["success/right"],
            arrays["success/trials"],
            _sites(arrays, "success"),
            arrays["success/nodes"],
        )
    quantities = {
        quantity: QuantityPosterior(
            _read_arms(part["arms"]),
            arrays[f"{quantity}/count"],
            arrays[f"{quantity}/mean"],
            arrays[f"{quantity}/squares"],
            _sites(arrays, quantity),
            part["centre"],
            part["spread"],
        )
        for quantity, part in header["quantities"].items()
    }
    prompts = None
    if header["prompts"] is not None:
        prompts = PromptLengths(
            _read_arms(header["prompts"]), *(arrays[f"prompts/{name}"] for name in _PROMPTS)
        )
    agreement = {
        agent: AgreementPosterior(
            WrongAnswers(*(arrays[f"agreement/{number}/{name}"] for name in _GROUPS)),
            *(arrays[f"agreement/{number}/{name}"] for name in _AGREEMENT),
        )
        for number, agent in enumerate(header["agreement"])
    }
    routing = {
        agent: RoutingPosterior(
            tuple(part["labels"]), _read_arms(part["arms"]), arrays[f"routing/{number}"]
        )
        for number, (agent, part) in enumerate(header["routing"].items())
    }
    return CostModel(
        agents=tuple(header["agents"]),
        queries=tuple(header["queries"]),
        success=success,
        quantities=quantities,
        difficulty=arrays["difficulty"],
        stored=header["stored"],
        prompts=prompts,
        decoding={
            _read_arms([arm])[0]: Decoding(prefill, per_token)
            for arm, prefill, per_token in header["decoding"]
        },
        agreement=agreement,
        routing=routing,
        checks=tuple(Check(*values) for values in header["checks"]),
        warnings=tuple(header["warnings"]),
    )


def _sites(arrays: Mapping[str, Any], part: str) -> dict[str, Any]:
    start = f"{part}/site/"
    return {name[len(start) :]: arrays[name] for name in arrays if name.startswith(start)}


def _arms(arms: tuple[Arm, ...]) -> list[list[Any]]:
    return [
        [arm.agent, arm.configuration.model, arm.configuration.budget, arm.configuration.params]
        for arm in arms
    ]


def _read_arms(rows: list[list[Any]]) -> tuple[Arm, ...]:
    return tuple(
        Arm(agent, Configuration(model, budget, tuple((name, value) for name, value in params)))
        for agent, model, budget, params in rows
    )
