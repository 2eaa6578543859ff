"""`flowir run`: one run of the emitted program of a workflow, against a live endpoint."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from xdsl.ir import Attribute

from flowir.backends.asyncio.emit import emit
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.cli import endpoints
from flowir.cli.selecting import Wanted
from flowir.cli.writing import print_json
from flowir.dialects import flow
from flowir.dialects.dse import FRONT
from flowir.errors import nearest
from flowir.runtime.emitted import loaded
from flowir.runtime.secrets import keys, without
from flowir.runtime.values import show
from flowir.search.annotate import front_from_ir
from flowir.source.diagnostics import UsageError
from flowir.source.workflows import Given, read_workflow


def run_once(
    target: str,
    wanted: Wanted,
    *,
    texts: tuple[str, ...],
    file: str | None,
    endpoint: str | None,
    name: str | None,
    timeout: float | None,
    call_timeout: float,
    retries: int,
    max_concurrency: int | None,
    provider: str | None,
    budget_field: str | None,
    as_json: bool,
) -> int:
    """Run and print; the exit code.

    Raises:
        FlowirError: the workflow, its inputs, the point or the endpoint do not serve; nobody was
            asked.
    """
    given = read_workflow(target, name)
    workflow = find_workflow(given.module, given.name)
    number = _number(workflow, wanted)
    inputs = _inputs(workflow, texts, file)
    program = loaded(emit(given.module, workflow.sym_name.data))
    if "" not in sys.path:
        sys.path.insert(0, "")  # The tools of a workflow are looked for here, too.

    async def once() -> Any:
        async with AsyncExitStack() as stack:
            llm = await endpoints.client(
                stack,
                endpoint,
                dict.fromkeys(_asked(workflow, number)),
                provider=provider,
                field=budget_field,
                timeout_s=call_timeout,
                stream=False,
            )
            return await program.run(
                inputs,
                point=number,
                llm=llm,
                tools=given.tools,
                timeout=timeout,
                call_timeout=call_timeout,
                max_concurrency=max_concurrency,
                retries=retries,
            )

    try:
        result = asyncio.run(once())
    except program.WorkflowError as error:
        return _failed(program, error, as_json)
    return _report(given, workflow, result, as_json)


def _number(workflow: flow.WorkflowOp, wanted: Wanted) -> int | None:
    """The point to run; None where the workflow has no front, or nothing was said."""
    if wanted.nothing:
        return None
    if FRONT not in workflow.attributes:
        raise UsageError(
            f"@{workflow.sym_name.data} has no front to choose a point of; leave the limits out, "
            "or run flowir compile first"
        )
    return wanted.number(front_from_ir(workflow))


def _asked(workflow: flow.WorkflowOp, number: int | None) -> list[Any]:
    """The configurations that the run may ask for."""
    if FRONT in workflow.attributes:
        front = front_from_ir(workflow)
        point = front.every[front.baseline if number is None else number]
        return [chosen for chosen in point.configurations if chosen is not None]
    decisions = workflow_terms(workflow).decisions
    return [
        decision.configurations[0 if decision.baseline is None else decision.baseline]
        for decision in decisions
    ]


def _inputs(
    workflow: flow.WorkflowOp, texts: tuple[str, ...], file: str | None
) -> Mapping[str, Any]:
    """The inputs by name.

    Raises:
        UsageError: one is missing, unknown, given twice, or no text.
    """
    arguments = workflow.body.block.args
    kinds: dict[str, Attribute] = {
        argument.name_hint or f"arg{n}": argument.type for n, argument in enumerate(arguments)
    }
    found = {} if file is None else _document(file)
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--input {text}: write NAME=TEXT")
        if name in found:
            raise UsageError(f"--input {name} is given twice; give it once")
        if name in kinds and not isinstance(kinds[name], flow.TextType):
            raise UsageError(f"--input {name}: it is no text; give it with --inputs, as JSON")
        found[name] = value
    for name in found:
        if name not in kinds:
            raise UsageError(
                f"no input {name}{nearest(name, kinds)}; the workflow takes {', '.join(kinds)}"
            )
    missing = [name for name in kinds if name not in found]
    if missing:
        raise UsageError(f"no value for {', '.join(missing)}; give --input {missing[0]}=…")
    return found


def _document(file: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        found = json.loads(text)
    except OSError as error:
        raise UsageError(f"--inputs {file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UsageError(f"--inputs {file}: no JSON ({error})") from None
    if not isinstance(found, dict):
        raise UsageError(f"--inputs {file}: a JSON object with a value per input is meant")
    return found


def _failed(program: ModuleType, error: Exception, as_json: bool) -> int:
    message = without(str(error), keys())
    used = getattr(error, "usage", None)
    if as_json:
        print_json({"error": type(error).__name__, "message": message, "usage": _usage(used)})
    print(f"Error: {message}", file=sys.stderr)
    return 1


def _report(given: Given, workflow: flow.WorkflowOp, result: Any, as_json: bool) -> int:
    (kind,) = workflow.function_type.outputs
    if as_json:
        print_json(
            {
                "value": result.value,
                "point": result.point.number,
                "seconds": result.seconds,
                "usage": _usage(result.usage),
                "sites": {site: _usage(used) for site, used in result.sites.items()},
            }
        )
        return 0
    print(show(result.value, kind))
    used = result.usage
    cost = "" if used.cost_usd is None else f", ${used.cost_usd:.4g}"
    tokens = f"{used.input_tokens} + {used.output_tokens} tokens"
    print(f"{result.seconds:.2f} s, {used.calls} calls, {tokens}{cost}", file=sys.stderr)
    return 0


def _usage(used: Any) -> dict[str, Any] | None:
    return None if used is None else asdict(used)
