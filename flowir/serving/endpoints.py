"""Where models answer: the endpoints of a server, from its command line or from a file."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from flowir.configuration import Configuration
from flowir.errors import ServingError
from flowir.runtime.capabilities import CAPABILITIES, HOSTS, Capability, reasoning
from flowir.runtime.llm import CallError
from flowir.runtime.wire import budget_field
from flowir.serving.client import EndpointModels

KEY = "OPENAI_API_KEY"

SLOTS = 64
"""Requests of one model that an endpoint is given at the same time, where nothing is said."""

ALIKE = re.compile(r"(?:(?P<model>.+?)=)?(?P<url>https?://.+)")


@dataclass(frozen=True)
class Endpoint:
    """One address that answers for some models.

    Attributes:
        name: in metrics and messages; no two have the same.
        url: OpenAI-compatible, with its version path.
        models: that it serves; empty for all that the workflow asks.
        slots: requests of one model that are open there at the same time, at most.
        metrics: address of its own metrics in the Prometheus text format, where it has them.
        key_env: the environment variable with its key; OPENAI_API_KEY if empty, which may be unset.
        provider: whose it is, for reasoning budgets; told by well-known addresses.
        budget_field: where in a request budgets go, where no table knows.
        aliases: what it calls a model, where that is another name.
    """

    name: str
    url: str
    models: tuple[str, ...] = ()
    slots: int = SLOTS
    metrics: str = ""
    key_env: str = ""
    provider: str = ""
    budget_field: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)

    def serves(self, model: str) -> bool:
        """Whether it answers for a model."""
        return not self.models or model in self.models


def endpoints_of(options: Sequence[str], path: str | Path | None = None) -> tuple[Endpoint, ...]:
    """The endpoints of `[MODEL=]URL` options and of a file.

    Several options with one address are one endpoint that serves several models.

    Raises:
        ServingError: none at all, an address that is none, or a file that cannot be read.
    """
    by_url: dict[str, list[str]] = {}
    for option in options:
        found = ALIKE.fullmatch(option)
        if found is None:
            raise ServingError(f"--endpoint {_veiled(option)}: write [MODEL=]http://HOST/v1")
        checked_url("--endpoint", found["url"])
        by_url.setdefault(found["url"].rstrip("/"), []).append(found["model"] or "")
    given = [
        Endpoint(_name(url), url, () if "" in models else tuple(dict.fromkeys(models)))
        for url, models in by_url.items()
    ]
    if path is not None:
        given += read_endpoints(path)
    if not given:
        raise ServingError(
            "no endpoint; give --endpoint [MODEL=]URL, or --endpoints FILE; to try it without, "
            "--simulate OBSERVATIONS"
        )
    names = [one.name for one in given]
    for name in names:
        if names.count(name) > 1:
            raise ServingError(f"two endpoints are named {name}; give them different names")
    return tuple(given)


def read_endpoints(path: str | Path) -> list[Endpoint]:
    """The endpoints of a TOML or JSON file: a list of tables under `endpoint`.

    Raises:
        ServingError: the file is missing, not in its format, or says what no endpoint has.
    """
    try:
        text = Path(path).read_text("utf-8")
        document = tomllib.loads(text) if Path(path).suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ServingError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ServingError(
            f"{path}: neither TOML (by the ending .toml) nor JSON ({error})"
        ) from None
    tables = document.get("endpoint") if isinstance(document, dict) else None
    if not isinstance(tables, list) or not tables:
        raise ServingError(f"{path}: no endpoints; write [[endpoint]] tables, each with its url")
    return [_endpoint(f"{path}: endpoint {n}", table) for n, table in enumerate(tables, 1)]


def _endpoint(where: str, table: object) -> Endpoint:
    kinds = {one.name: one for one in fields(Endpoint)}
    if not isinstance(table, dict) or "url" not in table:
        raise ServingError(f"{where}: it has no url")
    for name, value in table.items():
        if name in ("key", "api_key", "token"):
            raise ServingError(f"{where}: keys do not belong in files; name a variable: key_env")
        if name not in kinds:
            raise ServingError(f"{where}: unknown {name}; known are {', '.join(kinds)}")
        if not _fits(name, value):
            raise ServingError(f"{where}: {name} cannot be {value!r}")
    url = str(table["url"]).rstrip("/")
    checked_url(where, url)
    if table.get("metrics"):
        checked_url(where, str(table["metrics"]))
    if (variable := table.get("key_env")) and not os.environ.get(variable):
        raise ServingError(f"{where}: the environment has no {variable}; set it, or drop key_env")
    models = tuple(table.get("models", ()))
    return Endpoint(
        **{**table, "url": url, "models": models, "name": table.get("name", _name(url))}
    )


def _fits(name: str, value: object) -> bool:
    match name:
        case "models":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "slots":
            return isinstance(value, int) and not isinstance(value, bool) and value >= 1
        case "aliases":
            return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        case _:
            return isinstance(value, str)


def checked_url(where: str, url: str) -> None:
    """Refuse what is no address, or would show a password.

    Raises:
        ServingError: the one or the other.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname and (parts.port or True)
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise ServingError(f"{where}: {_veiled(url)} is no address; write http://HOST/v1")
    if parts.username or parts.password:
        raise ServingError(
            f"{where}: the address holds a name or a password, which would be shown; "
            "set OPENAI_API_KEY, or key_env in a file"
        )


def check_coverage(endpoints: Iterable[Endpoint], configurations: Iterable[Configuration]) -> None:
    """Refuse a model that no endpoint serves, and a budget that one does not know how to ask.

    Raises:
        ServingError: which.
    """
    there = list(endpoints)
    for one in configurations:
        serving = [endpoint for endpoint in there if endpoint.serves(one.model)]
        if not serving:
            raise ServingError(
                f"no endpoint serves {one.model}; add --endpoint {one.model}=http://HOST/v1"
            )
        for endpoint in serving:
            _check_budget(endpoint, one)


def _check_budget(endpoint: Endpoint, one: Configuration) -> None:
    if one.budget is None or endpoint.budget_field:
        return
    provider = endpoint.provider or HOSTS.get(urlsplit(endpoint.url).hostname or "", "")
    try:
        reasoning(provider, one.model, one.budget, CAPABILITIES)
    except CallError as error:
        raise ServingError(
            f"endpoint {endpoint.name}: {error}; or name its budget_field in --endpoints FILE"
        ) from None


def client_of(endpoint: Endpoint, configurations: Sequence[Configuration]) -> EndpointModels:
    """A client of an endpoint; close it with `aclose`."""
    provider = endpoint.provider or HOSTS.get(urlsplit(endpoint.url).hostname or "", "")
    own: list[Capability] = []
    if endpoint.budget_field:
        budgets = [one.budget for one in configurations]
        own = [budget_field(provider, endpoint.budget_field, budgets)]
    key = os.environ.get(endpoint.key_env or KEY, "")
    return EndpointModels(endpoint.url, key, provider, (*own, *CAPABILITIES))


def _name(url: str) -> str:
    """Host and port, and the path where it is more than the version."""
    parts = urlsplit(url)
    path = re.sub(r"/v\d+/?$", "", parts.path)
    return f"{parts.netloc.rpartition('@')[2]}{path}"


def _veiled(url: str) -> str:
    """An address without the name and the password in it."""
    return re.sub(r"//[^/@]*@", "//***@", url)
