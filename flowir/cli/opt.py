"""`flowir-opt`: parse, transform and print workflows; xDSL's opt driver with flowir's manners.

A user's mistake is one message on stderr and exit code 1. Output, to a file or to stdout, appears
only when everything has succeeded; timings and intermediate IR go to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import IO, Any, ClassVar, NoReturn, TypeVar, cast

from xdsl.dialects.builtin import FileLineColLoc, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass, PassPipeline, get_pass_option_infos
from xdsl.printer import Printer
from xdsl.utils.arg_spec import ArgSpec, ArgSpecConvertible, parse_pipeline, parse_spec
from xdsl.utils.exceptions import (
    ArgSpecParseError,
    DiagnosticException,
    ParseError,
    VerifyException,
)
from xdsl.utils.lexer import Location
from xdsl.xdsl_opt_main import xDSLOptMain

from flowir.cli.codes import INTERRUPTED
from flowir.errors import FlowirError, nearest
from flowir.files import write_atomically
from flowir.passes.pipelines import PIPELINES
from flowir.source.diagnostics import (
    DEEP,
    UsageError,
    describe_parse_error,
    located,
    nesting_depth,
    plain_warnings,
)
from flowir.source.located_parser import LocatedParser
from flowir.source.wording import plainly
from flowir.universe import PASSES, TARGETS

DSE = "flow-dse"
READ_FILES = (DSE, "flow-select")
"""Passes that look at observations and prices."""

_Made = TypeVar("_Made", bound=ArgSpecConvertible)


class CommandLineError(UsageError):
    """Options that do not exist, or lack their value."""


class _Output(StringIO):
    """Holds what will be written once everything has succeeded; outlives xDSL's `close`."""

    def close(self) -> None:
        pass


class FlowirOpt(xDSLOptMain):
    """The driver. Use `main`, which also turns mistakes into messages."""

    version_format: ClassVar[str] = "flowir-opt on xdsl {xdsl_version}"

    def __init__(self, args: Sequence[str]) -> None:
        self._output = _Output()
        self._text = ""
        self._offset = 0
        self._previous: ModulePass | None = None
        self._module: ModuleOp | None = None
        self._verifying = False
        self._started = 0.0
        # Only `--dse=OPTIONS` takes options, so that a file may follow a bare `--dse`.
        super().__init__(
            "Explore, transform and compile LLM workflows.",
            ["--dse=" if argument == "--dse" else argument for argument in args],
        )

    @property
    def _input_name(self) -> str:
        return self.args.input_file or "<stdin>"

    @property
    def text(self) -> str:
        """The module being worked on, as it was read."""
        return self._text

    def register_all_arguments(self, arg_parser: ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.allow_abbrev = False
        arg_parser.error = _usage_error  # type: ignore[method-assign]
        passes = next(action for action in arg_parser._actions if action.dest == "passes")
        passes.help = f"{passes.help}. Pipelines are: {', '.join(PIPELINES)}"
        group = arg_parser.add_argument_group("design-space exploration")
        group.add_argument(
            "--dse",
            metavar="OPTIONS",
            help=f"end the pipeline with {DSE}; --dse='objectives=accuracy,cost seed=1' gives "
            "options as in -p",
        )
        group.add_argument(
            "--profile", metavar="FILE", help=f"observations of calls, for {DSE} (any path)"
        )
        group.add_argument(
            "--prices", metavar="FILE", help=f"prices of the models, for {DSE} (any path)"
        )
        target = next(action for action in arg_parser._actions if action.dest == "target")
        target.type = self._known_target

    def _known_target(self, spec: str) -> str:
        name = parse_spec(spec).name
        if name not in self.available_targets:
            known = self.available_targets
            raise UsageError(
                f"unknown target '{name}'{nearest(name, known)}\n"
                f"targets: {', '.join(sorted(known))}"
            )
        return spec

    def setup_pipeline(self) -> None:
        target = parse_spec(self.args.target)
        if target.parameters:
            _from_spec(cast(Any, self.available_targets[target.name])(), target)
        specs = [part for spec in parse_pipeline(self.args.passes) for part in _expanded(spec)]
        if self.args.dse is not None:
            specs.append(_dse_spec(self.args.dse))
        specs = _with_all_points(_with_files(specs, self.args), target.name)
        self.pipeline = PassPipeline(tuple(map(self._make_pass, specs)), self._between)

    def _make_pass(self, spec: ArgSpec) -> ModulePass:
        known = self.available_passes
        if spec.name not in known:
            raise UsageError(
                f"unknown pass '{spec.name}'{nearest(spec.name, (*known, *PIPELINES))}\n"
                f"flowir's passes: {', '.join(sorted(PASSES))}; pipelines: {', '.join(PIPELINES)}"
            )
        return _from_spec(known[spec.name](), spec)

    def output_resulting_program(self, prog: ModuleOp) -> str:
        try:
            return super().output_resulting_program(prog)
        except (DiagnosticException, FlowirError, RecursionError):
            raise
        except Exception as error:
            name = parse_spec(self.args.target).name
            if name in TARGETS or name == "mlir":
                raise
            raise UsageError(
                f"target '{name}' cannot express this module: {error or type(error).__name__}"
            ) from None

    def _between(
        self, previous: ModulePass | None, module: ModuleOp, following: ModulePass | None
    ) -> None:
        """What happens between two passes; nothing of it may reach stdout."""
        if self.args.time_passes and previous is not None:
            elapsed = time.perf_counter() - self._started
            print(f"{previous.name}: {elapsed:.3f} s", file=sys.stderr)
        self._previous, self._module = previous, module
        if not self.args.disable_verify:
            self._verifying = True
            module.verify()
            self._verifying = False
        if self.args.print_between_passes and previous is not None and following is not None:
            print(f"// after {previous.name}", file=sys.stderr)
            Printer(stream=sys.stderr).print_op(module)
            print(file=sys.stderr)
        self._started = time.perf_counter()

    def register_all_frontends(self) -> None:
        def parse_mlir(stream: IO[bytes]) -> ModuleOp:
            name = self._input_name
            try:
                self._text = stream.read().decode("utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(f"{name}: not UTF-8 text (byte {error.start})") from None
            if not self._text.strip():
                raise UsageError(f"{name}: empty; there is no module to read")
            parser = LocatedParser(self.ctx, self._text, name, self._offset + 1)
            return parser.parse_module(not self.args.no_implicit_module)

        self.available_frontends["mlir"] = parse_mlir

    def get_input_stream(self) -> tuple[IO[bytes], str]:
        stream, extension = super().get_input_stream()
        return stream, extension if extension in self.available_frontends else "mlir"

    def parse_chunk(
        self, chunk: IO[bytes], file_extension: str, start_offset: int = 0
    ) -> ModuleOp | None:
        self._offset = start_offset
        self._previous = self._module = None
        return super().parse_chunk(chunk, file_extension, start_offset)

    def prepare_output(self) -> IO[str]:
        if self.args.output_file is not None:
            folder = Path(self.args.output_file).absolute().parent
            if not folder.is_dir():
                raise UsageError(f"{self.args.output_file}: there is no folder {folder}")
        return self._output

    def run(self) -> None:
        to_stdout = self.args.output_file is None
        with redirect_stdout(self._output) if to_stdout else nullcontext():
            super().run()  # type: ignore[no-untyped-call]
        if to_stdout:
            sys.stdout.write(self._output.getvalue())
            sys.stdout.flush()
        else:
            write_atomically(self.args.output_file, self._output.getvalue())

    def describe(self, error: DiagnosticException) -> str:
        """The message with its place in the source, where the operation has kept one."""
        op = self._culprit(error)
        message = plainly(str(error))
        if self._verifying and self._previous is not None:
            # Not the user's mistake: whoever mends the pass wants to see what it left behind.
            notes = "\n".join(getattr(error, "__notes__", ()))
            return f"error: what {self._previous.name} made does not verify: {error}\n{notes}"
        if op is None or not isinstance(place := op.location, FileLineColLoc):
            return f"error: {message}"
        line = place.line.data
        source = self._text.split("\n")[line - self._offset - 1]
        return located(message, Location(place.filename.data, line, place.column.data), source)

    def _culprit(self, error: DiagnosticException) -> Operation | None:
        """The operation that is wrong: flow's checks say which, xDSL's own do not."""
        if isinstance(op := getattr(error, "op", None), Operation):
            return op
        for op in () if self._module is None else self._module.walk():
            try:
                op.verify(verify_nested_ops=False)
            except VerifyException as again:
                if str(again) == str(error):
                    return _redeclared(op) or op
        return None


def _redeclared(module: Operation) -> Operation | None:
    """The first declaration of a module whose name is taken."""
    names: set[str] = set()
    for op in module.walk() if isinstance(module, ModuleOp) else ():
        if isinstance(name := op.properties.get("sym_name"), StringAttr):
            if name.data in names:
                return op
            names.add(name.data)
    return None


def _usage_error(message: str) -> NoReturn:
    raise CommandLineError(f"{message}; flowir-opt --help lists what there is")


def _expanded(spec: ArgSpec) -> list[ArgSpec]:
    """The passes of a named pipeline, else the spec itself."""
    if spec.name not in PIPELINES:
        return [spec]
    if spec.parameters:
        raise UsageError(f"{spec.name}: a pipeline takes no options; write out its passes")
    return [ArgSpec(name, {}) for name in PIPELINES[spec.name]]


def _from_spec(made: type[_Made], spec: ArgSpec) -> _Made:
    """A pass or target with its options; a wrong option is named."""
    options = {option.name.replace("_", "-"): option for option in get_pass_option_infos(made)}  # type: ignore[type-var]
    for name in (given.replace("_", "-") for given in spec.parameters):
        if name not in options:
            known = ", ".join(options) or "none"
            raise UsageError(
                f"{spec.name}: unknown option '{name}'{nearest(name, options)}\noptions: {known}"
            )
    required = {n: v for n, v in spec.parameters.items() if n in made.required_fields()}
    for name, value in spec.parameters.items():
        try:
            made.from_spec(ArgSpec(spec.name, required | {name: value}))
        except ValueError:
            given = ",".join(map(str, value)) or "nothing"
            expected = options[name.replace("_", "-")].expected_type.strip("'")
            raise UsageError(
                f"{spec.name}: option '{name}' is given {given}, expected {expected}"
            ) from None
    try:
        return made.from_spec(spec)
    except ValueError as error:
        raise UsageError(f"{spec.name}: {error}") from None


def _dse_spec(options: str) -> ArgSpec:
    """`objectives=accuracy seed=1`, with or without braces around it."""
    bare = options.strip()
    if bare.startswith("{") and bare.endswith("}"):
        bare = bare[1:-1].strip()
    return parse_spec(f"{DSE}{{{bare}}}")


def _with_files(specs: Sequence[ArgSpec], args: Namespace) -> list[ArgSpec]:
    """The specs with `--profile` and `--prices` filled in: their paths are never parsed."""
    files = {name: value for name in ("profile", "prices") if (value := getattr(args, name))}
    if files and not any(spec.name in READ_FILES for spec in specs):
        raise UsageError(f"--{next(iter(files))} is for {' and '.join(READ_FILES)}; add --dse")
    filled: list[ArgSpec] = []
    for spec in specs:
        if spec.name in READ_FILES:
            for name in files:
                if name in spec.parameters:
                    raise UsageError(f"`{name}` is given twice, as --{name} and as an option")
            spec = replace(spec, parameters=spec.parameters | {n: (v,) for n, v in files.items()})
        filled.append(spec)
    return filled


def _with_all_points(specs: Sequence[ArgSpec], target: str) -> list[ArgSpec]:
    """For JSON, exploration leaves no point out unless it is told to."""
    if target != "pareto-json":
        return list(specs)
    return [
        replace(spec, parameters=spec.parameters | {"max-points": (0,)})
        if spec.name == DSE and not {"max-points", "max_points"} & spec.parameters.keys()
        else spec
        for spec in specs
    ]


def _complain(message: str) -> int:
    text = message.strip()
    print(text if ": error: " in text.split("\n")[0] else f"error: {text}", file=sys.stderr)
    return 1


def main(args: Sequence[str] | None = None) -> int:
    """Run `flowir-opt` and give its exit code: 0; or, after one message on stderr, 1, 2 where the
    options mean nothing, or 130 where it was interrupted."""
    driver: FlowirOpt | None = None
    try:
        with plain_warnings():
            driver = FlowirOpt(sys.argv[1:] if args is None else args)
            driver.run()
    except ParseError as error:
        return _complain(describe_parse_error(error))
    except ArgSpecParseError as error:
        return _complain(
            f'{error}\nvalues other than words and numbers need quotes: profile="a b.csv"'
        )
    except DiagnosticException as error:
        return _complain(str(error) if driver is None else driver.describe(error))
    except CommandLineError as error:
        _complain(str(error))
        return 2
    except FlowirError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # The reader has gone; a second attempt, when the interpreter exits, would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _complain(f"{error.filename or 'output'}: {error.strerror or error}")
    except RecursionError:
        depth = 0 if driver is None else nesting_depth(driver.text)
        if depth < DEEP:
            raise
        return _complain(
            f"regions are nested {depth} deep, deeper than can be read (about 120); "
            "move inner parts into workflows of their own and call them"
        )
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
