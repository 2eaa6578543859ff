"""`flowir check` of Python: whether the workflows of a module mean something, and if not, where."""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from xdsl.utils.lexer import Location

from flowir.errors import FlowirError, nearest
from flowir.source.diagnostics import UsageError, located

if TYPE_CHECKING:
    from flowir.workflow import Workflow

_TARGET = re.compile(
    r"(?P<file>.+\.py)(?::(?P<of_file>\w+))?|(?P<module>[\w.]+):(?P<of_module>\w+)"
)


def is_python(target: str) -> bool:
    """Whether a target is `file.py`, `file.py:workflow` or `module:workflow`."""
    return _TARGET.fullmatch(target) is not None


def check_python(target: str) -> str:
    """What there is to say of a good module: which of its workflows were checked.

    The module is imported, which runs it.

    Raises:
        FlowirError: it cannot be imported, has no such workflow, or a workflow means nothing.
    """
    there, wanted = _workflows(target)
    for name in there if wanted is None else [wanted]:
        _ir_of(there[name])
    return f"{target}: {', '.join(there) if wanted is None else wanted}: well-formed"


def traced(target: str, name: str | None = None) -> Workflow:
    """The workflow that a target means, which can be traced.

    Args:
        name: which of several, where the target does not say.

    Raises:
        FlowirError: it cannot be imported or traced, or it is open which workflow is meant.
    """
    there, wanted = _workflows(target, name)
    if wanted is None and len(there) > 1:
        raise UsageError(f"{target}: it has {', '.join(there)}; write {target}:NAME for one")
    found = there[wanted or next(iter(there))]
    _ir_of(found)
    return found


def _workflows(target: str, name: str | None = None) -> tuple[dict[str, Workflow], str | None]:
    """The workflows of a module, and which is meant if one is named."""
    from flowir.workflow import Workflow

    found = _TARGET.fullmatch(target)
    assert found is not None
    module = _imported(found["file"], found["module"])
    there = {name: it for name, it in vars(module).items() if isinstance(it, Workflow)}
    wanted = found["of_file"] or found["of_module"] or name
    if wanted is not None and wanted not in there:
        known = f"; its workflows: {', '.join(there) or 'none'}"
        what = f"{wanted} is no @workflow" if hasattr(module, wanted) else f"there is no {wanted}"
        raise UsageError(f"{target}: {what}{nearest(wanted, there)}{known}")
    if not there:
        raise UsageError(f"{target}: it has no workflow; decorate a function with @workflow")
    return there, wanted


def _ir_of(workflow: Workflow) -> None:
    """Trace it, to see whether it can be."""
    try:
        workflow.to_ir()
    except FlowirError as error:
        raise UsageError(_shown(str(error))) from None
    except Exception as error:
        raise UsageError(_raised(error, f"tracing {workflow.name} failed")) from None


def _imported(file: str | None, name: str | None) -> ModuleType:
    """The module of a file, or of a name as Python finds it from here.

    It stays findable, since a workflow may import more when it is traced.
    """
    try:
        if name is not None:
            sys.path.insert(0, "")
            return importlib.import_module(name)
        path = Path(file or "").resolve()
        if not path.is_file():
            raise UsageError(f"{file}: there is no such file; check the path")
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # where annotations and dataclasses look for it
        spec.loader.exec_module(module)
    except UsageError:
        raise
    except FlowirError as error:
        raise UsageError(_shown(str(error))) from None
    except SyntaxError as error:
        place = Location(str(error.filename), error.lineno or 1, error.offset or 1)
        raise UsageError(located(error.msg, place, error.text or "")) from None
    except Exception as error:
        raise UsageError(_raised(error, "importing it failed")) from None
    return module


def _shown(message: str) -> str:
    """A message that begins with its place, with the line marked."""
    found = re.match(r"(?P<file>[^\n]+?):(?P<line>\d+): (?P<rest>.*)", message, re.DOTALL)
    if found is None:
        return message
    return _marked(found["file"], int(found["line"]), found["rest"])


def _raised(error: Exception, what: str) -> str:
    """Any exception, at the last line of the user's that it went through."""
    kind = f"{what}: {type(error).__name__}: {error}"
    ours = str(Path(__file__).parents[1])
    library = str(Path(importlib.__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, library, "<"))
    ]
    return _marked(frames[-1].filename, frames[-1].lineno or 1, kind) if frames else kind


def _marked(file: str, number: int, message: str) -> str:
    line = linecache.getline(file, number)
    column = len(line) - len(line.lstrip()) + 1
    return located(message, Location(file, number, column), line, len(line.strip()))
