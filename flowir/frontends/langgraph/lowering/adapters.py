"""The Python file beside imported IR: what nodes do besides calling models, as tools.

Workflows pass values, LangGraph's functions take the state: an adapter puts one into the other.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Sequence

from flowir.frontends.langgraph.facts import GraphImportError
from flowir.frontends.langgraph.reading.functions import Function, function_of

_HEADER = '''"""What the nodes of {name} do besides calling models; written by `flowir import`.

The imported IR names these functions as its tools; keep this file on the path.
"""
'''


def identifier(text: str) -> str:
    """A Python identifier made of some text."""
    word = re.sub(r"\W+", "_", text).strip("_") or "value"
    return f"_{word}" if word[0].isdigit() or keyword.iskeyword(word) else word


class Adapters:
    """Functions of the file, each once.

    Args:
        module: what the file is imported as.
        name: the graph, as the user named it.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self._name = name
        self._functions: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._imports: dict[str, str] = {}

    def add(self, hint: str, parameters: Sequence[str], lines: Sequence[str], wait: bool) -> str:
        """The name of a function with this body; an equal one is made once."""
        key = repr((hint, tuple(parameters), tuple(lines)))
        if key not in self._functions:
            name = base = identifier(hint)
            number = 2
            while name in self._texts or name in self._imports.values():
                name, number = f"{base}_{number}", number + 1
            start = "async def" if wait else "def"
            body = "\n".join(f"    {line}" for line in lines)
            self._functions[key] = name
            self._texts[name] = f"{start} {name}({', '.join(parameters)}):\n{body}\n"
        return self._functions[key]

    def alias(self, module: str) -> str:
        """What the file calls a module that it imports."""
        if module not in self._imports:
            name = base = f"{identifier(module.rpartition('.')[2])}_code"
            number = 2
            while name in self._imports.values() or name in self._texts:
                name, number = f"{base}_{number}", number + 1
            self._imports[module] = name
        return self._imports[module]

    def reference(self, function: Function, what: str) -> str:
        """How the file names a function of the user's.

        Raises:
            GraphImportError: nobody can import it from its module.
        """
        value = function.value
        if function.is_lambda:
            raise GraphImportError(
                f"{function.place}: {what} is a lambda; write it as a function with a name"
            )
        module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
        found = getattr(sys.modules.get(module), name, None)
        if found is None or function_of(found).value is not value:
            raise GraphImportError(
                f"{function.place}: {what} runs {name or 'an object'}, which cannot be imported "
                "from its module; define it at the top level"
            )
        return f"{self.alias(module)}.{name}"

    def text(self) -> str:
        """The file; nothing but its docstring where there are no adapters."""
        imports = [f"import {m} as {n}\n" for m, n in sorted(self._imports.items())]
        parts = [_HEADER.format(name=self._name)]
        if imports:
            parts.append("\n" + "".join(imports))
        parts += [f"\n\n{body}" for body in self._texts.values()]
        return "".join(parts)
