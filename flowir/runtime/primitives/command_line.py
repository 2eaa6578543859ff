"""The command line of an emitted program: its parts, and what becomes of its answer."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from flowir.engines import storage
from flowir.engines.defaults import DEFAULT_ENGINES, LLM
from flowir.engines.engine import Engine
from flowir.errors import FlowirError, PrimError, nearest
from flowir.prim.graph import DECODES, PREFILLS
from flowir.prim.trace import write_trace
from flowir.runtime.primitives.answering import LanguageModel
from flowir.runtime.primitives.executor import Executor, Part
from flowir.runtime.primitives.program import Program
from flowir.runtime.primitives.stand_in import ExtractiveModel
from flowir.runtime.primitives.values import flow_type
from flowir.runtime.retrieval.chunking import CHUNK_CHARACTERS, chunked
from flowir.runtime.retrieval.corpus import read_corpus
from flowir.runtime.retrieval.values import Embedder, Reranker
from flowir.runtime.values import is_of
from flowir.scheduling.policies import POLICIES

TEXTS = "list[text]"
PLAIN = ("text", "label")


def main(
    program: Program,
    about: str | None,
    *,
    tools: Mapping[str, str] | None = None,
    engines: Mapping[str, Engine] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a program on what the command line says; its answers go to stdout.

    Args:
        tools: by name, `module:function`.
        engines: beside the default ones, such as those of its tools.

    Returns:
        The exit code.
    """
    args = _parser(program, about).parse_args(arguments)
    try:
        answers = asyncio.run(_run(program, args, tools or {}, engines or {}))
    except FlowirError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if args.queries is not None:
        return _tell(answers)
    print(answers[0] if isinstance(answers[0], str) else _json(answers[0], indent=2))
    return 0


def _tell(answers: Sequence[Any]) -> int:
    """One line of JSON for each query; 1 where one failed."""
    for number, answer in enumerate(answers, 1):
        failed = isinstance(answer, FlowirError)
        told = {"error": str(answer)} if failed else {"answer": answer}
        print(_json({"query": number, **told}))
    return int(any(isinstance(answer, FlowirError) for answer in answers))


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _parser(program: Program, about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    option = parser.add_argument
    for given in program.inputs:
        plain = given.kind in PLAIN
        option(
            f"--{given.name}",
            dest=f"input {given.name}",
            metavar="TEXT" if plain else "JSON",
            help=None if plain else f"{given.kind}; --corpus gives it too",
        )
    option("--queries", metavar="FILE", help="JSON lines of inputs: queries at the same time")
    option("--corpus", metavar="DIR", help=".txt and .md files, for the input that is texts")
    option(
        "--chunk", type=int, metavar="N", default=CHUNK_CHARACTERS, help="characters (%(default)s)"
    )
    option("--base-url", metavar="URL", help="an OpenAI-compatible endpoint")
    option("--api-key-env", metavar="NAME", default="OPENAI_API_KEY", help="variable with its key")
    option("--model", metavar="NAME", help="instead of the models that the workflow names")
    option("--stand-in", action="store_true", help="no model: copy sentences of the prompt")
    option("--no-warm", action="store_true", help="send no beginnings of prompts ahead")
    option(
        "--embedder", metavar="KIND", default="hashing", help="hashing, openai:MODEL or local:MODEL"
    )
    option("--reranker", metavar="KIND", default="bm25", help="bm25 or local:MODEL")
    option("--store", metavar="PLACE", default=":memory:", help="Qdrant: :memory:, a folder, a URL")
    option("--engines", metavar="FILE", help="engine profiles: slots and batches")
    option("--policy", choices=sorted(POLICIES), default="oldest first", help="(%(default)s)")
    option("--retries", type=int, metavar="N", default=3, help="repeats of one request (3)")
    option("--call-timeout", type=float, metavar="S", help="seconds for one request")
    option("--trace", metavar="FILE", help="write what happened when; see flowir timeline")
    return parser


async def _run(
    program: Program,
    args: argparse.Namespace,
    tools: Mapping[str, str],
    engines: Mapping[str, Engine],
) -> list[Any]:
    """The answers; of several queries, errors in the place of those that failed."""
    known = {**DEFAULT_ENGINES, **engines}
    if args.engines is not None:
        known |= storage.read(args.engines)
    queries = _queries(program, args)
    async with AsyncExitStack() as stack:
        parts = await _parts(program, args, stack)
        executor = await stack.enter_async_context(
            Executor(
                {**_models(program, known), **known},
                parts,
                tools=imported(tools),
                policy=POLICIES[args.policy],
                retries=args.retries,
            )
        )
        try:
            runs = [executor.run(program, inputs) for inputs in queries]
            answers = await asyncio.gather(*runs, return_exceptions=True)
        finally:
            if args.trace is not None:
                write_trace(args.trace, executor.trace(program.name))
    for answer in answers:
        if isinstance(answer, BaseException) and not (
            isinstance(answer, FlowirError) and args.queries is not None
        ):
            raise answer
    return answers


def _models(program: Program, known: Mapping[str, Engine]) -> dict[str, Engine]:
    """Engines for models that nobody has measured: the default one, by their names."""
    names = [node.engine for node in program.graph.nodes if node.kind in PREFILLS | DECODES]
    return {name: replace(known[LLM], name=name) for name in dict.fromkeys(names) if name}


def _queries(program: Program, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The inputs of each query.

    Raises:
        PrimError: an input is missing or is not of its kind, or the file has no query.
    """
    common = _inputs(program, args)
    found = [common]
    if args.queries is not None:
        found = [{**common, **given} for given in _lines(Path(args.queries))]
        if not found:
            raise PrimError(f"{args.queries}: no query; write one JSON object a line")
    for number, inputs in enumerate(found, 1):
        where = "" if args.queries is None else f"{args.queries}, query {number}: "
        _check(program, inputs, where)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PrimError(f"{path}: cannot be read ({error})") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except ValueError as error:
            raise PrimError(f"{path}, line {number}: not JSON ({error})") from None
        if not isinstance(given, dict):
            raise PrimError(f"{path}, line {number}: no JSON object; write the inputs by name")
        found.append(given)
    return found


def _inputs(program: Program, args: argparse.Namespace) -> dict[str, Any]:
    """What options say of the inputs."""
    found: dict[str, Any] = {}
    for given in program.inputs:
        text = getattr(args, f"input {given.name}")
        if text is not None:
            try:
                found[given.name] = text if given.kind in PLAIN else json.loads(text)
            except ValueError as error:
                raise PrimError(f"--{given.name} is not JSON ({error})") from None
    if args.corpus is not None:
        open_ = [g.name for g in program.inputs if g.kind == TEXTS and g.name not in found]
        if len(open_) != 1:
            raise PrimError(
                f"--corpus gives one input that is texts, and {len(open_)} are without; give the "
                "others as JSON"
            )
        found[open_[0]] = [chunk.text for chunk in chunked(read_corpus(args.corpus), args.chunk)]
    return found


def _check(program: Program, inputs: Mapping[str, Any], where: str) -> None:
    kinds = {given.name: given.kind for given in program.inputs}
    if lacking := [name for name in kinds if name not in inputs]:
        raise PrimError(f"{where}no {' and no '.join(lacking)}; --help says how to give it")
    for name, value in inputs.items():
        if name not in kinds:
            raise PrimError(f"{where}there is no input {name}{nearest(name, kinds)}")
        if not is_of(value, flow_type(kinds[name])):
            raise PrimError(f"{where}{name} is not {kinds[name]}: {_json(value)[:80]}")


async def _parts(
    program: Program, args: argparse.Namespace, stack: AsyncExitStack
) -> dict[str, Part]:
    """What stands behind each engine of a program."""
    made: dict[str, Any] = {}

    async def part(kind: str) -> Any:
        if kind not in made:
            made[kind] = await _part(kind, program, args, stack)
        return made[kind]

    kinds = {
        "embedding": "embedder",
        "ingestion": "store",
        "searching": "store",
        "reranking": "reranker",
        **dict.fromkeys(PREFILLS | DECODES, "model"),
    }
    return {
        node.engine: await part(kinds[node.kind])
        for node in program.graph.nodes
        if node.engine is not None and node.kind in kinds
    }


async def _part(
    kind: str, program: Program, args: argparse.Namespace, stack: AsyncExitStack
) -> Any:
    key = os.environ.get(args.api_key_env)
    match kind:
        case "embedder":
            return await embedder(args.embedder, args.base_url, key, stack)
        case "reranker":
            return reranker(args.reranker)
        case "store":
            from flowir.runtime.retrieval.qdrant import QdrantStore

            return stack.enter_context(QdrantStore(args.store))
        case _:
            options = {
                "retries": args.retries,
                "timeout_s": args.call_timeout,
                "warms": not args.no_warm and not args.stand_in,
            }
            if args.stand_in:
                print("answers by a stand-in that copies sentences, no model", file=sys.stderr)
                return LanguageModel(ExtractiveModel(program), **options)
            from flowir.runtime.openai import OpenAIModels

            client = OpenAIModels(base_url=args.base_url, api_key=key, stream=True)
            llm: Any = await stack.enter_async_context(client)
            return LanguageModel(llm, model=args.model, **options)


async def embedder(
    kind: str, base_url: str | None, key: str | None, stack: AsyncExitStack
) -> Embedder:
    """An embedder by its name: `hashing`, `openai:MODEL` or `local:MODEL`.

    Raises:
        PrimError: it is none of these.
    """
    name, _, model = kind.partition(":")
    if name == "hashing" and not model:
        from flowir.runtime.retrieval.hashing import HashingEmbedder

        return HashingEmbedder()
    if name == "openai" and model:
        from flowir.runtime.retrieval.openai import OpenAIEmbedder

        return await stack.enter_async_context(
            OpenAIEmbedder(model, base_url=base_url, api_key=key)
        )
    if name == "local" and model:
        from flowir.runtime.retrieval.sentence_transformers import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(model)
    raise PrimError(f"--embedder {kind}: write hashing, openai:MODEL or local:MODEL")


def reranker(kind: str) -> Reranker:
    """A reranker by its name: `bm25` or `local:MODEL`.

    Raises:
        PrimError: it is none of these.
    """
    name, _, model = kind.partition(":")
    if name == "bm25" and not model:
        from flowir.runtime.retrieval.bm25 import Bm25Reranker

        return Bm25Reranker()
    if name == "local" and model:
        from flowir.runtime.retrieval.sentence_transformers import CrossEncoderReranker

        return CrossEncoderReranker(model)
    raise PrimError(f"--reranker {kind}: write bm25 or local:MODEL")


def imported(places: Mapping[str, str]) -> dict[str, Any]:
    """Tools from `module:function`, found as Python finds modules, beside the program too.

    Raises:
        PrimError: there is no such module or function.
    """
    found = {}
    folder = str(Path(sys.argv[0]).resolve().parent)
    if places and folder not in sys.path:
        sys.path.insert(0, folder)
    for name, place in places.items():
        module, _, function = place.partition(":")
        try:
            found[name] = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise PrimError(f"tool {name}: {place} cannot be imported ({error})") from None
    return found
