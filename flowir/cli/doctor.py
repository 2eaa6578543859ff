"""`flowir doctor`: looks at everything that has to be there, and says the mend of what is not."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Literal
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from flowir._version import __version__
from flowir.cli import tables
from flowir.cli.endpoints import KEY
from flowir.cli.writing import print_json
from flowir.cost.storage import cache_folder

State = Literal["ok", "missing", "broken"]
KEYS = (KEY, "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY")
"""Where clients look for keys; others end in _API_KEY too."""
NEEDED = (3, 11)
MOST = 1 << 20
"""Bytes read of an endpoint's answer."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: `missing` is optional, `broken` is not.
        mend: what to do; empty where all is well.
    """

    area: str
    what: str
    state: State
    said: str
    mend: str = ""


def run(endpoints: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Look, print, and give the exit code."""
    found = [*_python(), *_packages(), *_programs(), *_keys(), *_cache()]
    found += [_endpoint(address, timeout) for address in endpoints]
    if as_json:
        print_json({"flowir": __version__, "findings": [asdict(one) for one in found]})
    else:
        console = tables.console()
        made = tables.table(f"flowir {__version__}", "", "what", "state", "")
        area = ""
        for one in found:
            mend = f"{one.said}; {one.mend}" if one.mend else one.said
            made.add_row(one.area if one.area != area else "", one.what, one.state, mend)
            area = one.area
        console.print(made)
    return 1 if any(one.state == "broken" for one in found) else 0


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= NEEDED
    mend = "" if good else f"install Python {NEEDED[0]}.{NEEDED[1]} or newer"
    yield Finding("environment", "Python", "ok" if good else "broken", version, mend)


def _packages() -> Iterator[Finding]:
    """What flowir needs, and each of its extras."""
    extras: dict[str, list[Requirement]] = {}
    for text in metadata.requires("flowir") or ():
        requirement = Requirement(text)
        names = metadata.metadata("flowir").get_all("Provides-Extra") or []
        extra = next((n for n in names if _belongs(requirement, n)), "")
        extras.setdefault(extra, []).append(requirement)
    for requirement in extras.pop("", []):
        state, said = _installed(requirement)
        mend = "" if state == "ok" else f'pip install "{requirement.name}{requirement.specifier}"'
        yield Finding("packages", requirement.name, state, said, mend)
    for extra in sorted(set(extras) - {"dev", "bench"}):
        lacking = [
            r.name for r in extras[extra] if r.name.lower() != "flowir" and _installed(r)[0] != "ok"
        ]
        said = f"lacks {', '.join(lacking)}" if lacking else "whole"
        mend = f'pip install "flowir[{extra}]"' if lacking else ""
        yield Finding("extras", extra, "missing" if lacking else "ok", said, mend)


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement is of an extra and of nothing else."""
    marker = requirement.marker
    return (
        marker is not None
        and marker.evaluate({"extra": extra})
        and not marker.evaluate({"extra": ""})
    )


def _installed(requirement: Requirement) -> tuple[State, str]:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return "broken", "not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return "ok", version
    return "broken", f"{version}, but {requirement.specifier} is needed"


def _programs() -> Iterator[Finding]:
    there = shutil.which("dot") is not None
    mend = "" if there else "install Graphviz to have drawings as SVG; Mermaid needs nothing"
    yield Finding("programs", "dot", "ok" if there else "missing", "" if there else "absent", mend)


def _keys() -> Iterator[Finding]:
    more = sorted(name for name in os.environ if name.endswith("_API_KEY") and name not in KEYS)
    for name in (*KEYS, *more):
        there = bool(os.environ.get(name))
        mend = "" if there else f"export {name}=… to use it"
        yield Finding("keys", name, "ok" if there else "missing", "set" if there else "unset", mend)


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    if folder is None:
        mend = "set FLOWIR_CACHE_DIR to a folder, or every run fits anew"
        yield Finding("folders", "cache of fits", "missing", "there is none", mend)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        mend = "make it writable, or set FLOWIR_CACHE_DIR"
        yield Finding("folders", "cache of fits", "broken", f"{folder}: {error.strerror}", mend)
        return
    yield Finding("folders", "cache of fits", "ok", str(folder))


def _endpoint(address: str, timeout: float) -> Finding:
    """Whether an endpoint answers when it is asked for its models."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        return Finding("endpoints", address, "broken", "no address", "write https://HOST/v1")
    headers = {"User-Agent": f"flowir/{__version__}"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{address.rstrip('/')}/models", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            models = json.loads(answer.read(MOST))["data"]
            names = ", ".join(str(model["id"]) for model in models[:5])
        more = ", …" if len(models) > 5 else ""
        return Finding("endpoints", address, "ok", f"{len(models)} models: {names}{more}")
    except urllib.error.HTTPError as error:
        mends = {
            401: f"set {KEY} to a key that it takes",
            403: f"set {KEY} to a key that may do this",
            404: "does the address have its version, as in /v1?",
        }
        said = f"it answers {error.code} when asked for its models"
        return Finding(
            "endpoints", address, "broken", said, mends.get(error.code, "ask again later")
        )
    except (ValueError, KeyError, TypeError):
        said = "what it answers is no list of models"
        return Finding("endpoints", address, "broken", said, "is it OpenAI-compatible?")
    except OSError as error:
        said = str(getattr(error, "reason", None) or error)
        return Finding(
            "endpoints", address, "broken", said, "is it running, and reachable from here?"
        )
