"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from flowir.backends.asyncio.library.calls import log
from flowir.backends.asyncio.library.errors import InputError, SelectionError, WorkflowError
from flowir.backends.asyncio.library.openai_client import openai_llm
from flowir.backends.asyncio.library.running import run
from flowir.backends.asyncio.library.selection import select
from flowir.backends.asyncio.library.written import INPUTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the workflow on what the command line says; what comes of it is JSON on stdout."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        conflict_handler="resolve",
        allow_abbrev=False,
        add_help=False,
    )
    option = parser.add_argument
    for name, kind in INPUTS.items():
        option(f"--{name}", dest=f"input {name}", metavar="TEXT" if kind is str else "JSON")
    option("--inputs", metavar="JSON", help="all inputs as one object; - reads it from stdin")
    option("--point", type=int, metavar="N", help="the point to run")
    # <estimates>
    option("--max-latency", type=float, metavar="S", help="run the best point within S seconds")
    option("--min-accuracy", type=float, metavar="A", help="run the best point from accuracy A on")
    option("--max-cost", type=float, metavar="D", help="run the best point within D US dollars")
    # </estimates>
    option("--base-url", metavar="URL", help="an OpenAI-compatible endpoint")
    option("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable with its key")
    option("--provider", metavar="NAME", help="whose endpoint it is, if its address does not tell")
    option("--stream", action="store_true", help="read answers as they are written")
    option("--timeout", type=float, metavar="S", help="seconds for the whole run")
    option("--call-timeout", type=float, metavar="S", help="seconds for one request")
    option("--max-concurrency", type=int, metavar="N", help="most requests at the same time")
    option("--retries", type=int, metavar="N", default=3, help="repeats of one request (3)")
    option("--quiet", action="store_true", help="no progress on stderr")
    option("-h", "--help", action="help", help="this text")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.WARNING if args.quiet else logging.INFO)
    key = os.environ.get(args.api_key_env)
    try:
        point = args.point
        # <estimates>
        limits = {name: getattr(args, name) for name in ("max_latency", "min_accuracy", "max_cost")}
        if any(limit is not None for limit in limits.values()):
            if point is not None:
                raise SelectionError("--point leaves nothing to select; give limits or a point")
            point = select(**limits)
        # </estimates>
        result = asyncio.run(
            run(
                read_inputs(args),
                point=point,
                llm=openai_llm(args.base_url, key, provider=args.provider, stream=args.stream),
                timeout=args.timeout,
                call_timeout=args.call_timeout,
                max_concurrency=args.max_concurrency,
                retries=args.retries,
            )
        )
    except WorkflowError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.sites:
            why = {"error": type(error).__name__, "message": str(error)}
            used = {site: dataclasses.asdict(usage) for site, usage in error.sites.items()}
            total = dataclasses.asdict(error.usage)
            print(json.dumps(why | {"usage": total, "sites": used}, indent=2))
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(dataclasses.asdict(result) | {"point": result.point.number}, indent=2))
    return 0


def read_inputs(args: argparse.Namespace) -> Any:
    """The inputs on the command line: one JSON object, an option each, or both."""
    try:
        inputs = json.loads(sys.stdin.read() if args.inputs == "-" else args.inputs or "{}")
        if not isinstance(inputs, dict):
            raise InputError("--inputs must be a JSON object")
        for name, kind in INPUTS.items():
            value = getattr(args, f"input {name}", None)
            if value is not None:
                inputs[name] = value if kind is str else json.loads(value)
    except json.JSONDecodeError as error:
        raise InputError(f"the inputs are not JSON: {error}") from error
    return inputs


if __name__ == "__main__":
    sys.exit(main())
