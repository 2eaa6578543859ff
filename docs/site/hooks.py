"""What the site has besides the pages that are written by hand.

mkdocs calls these functions by their names. Pages of reference are made from the code when the
site is built, so they cannot fall behind it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from reference import pages

REFERENCE = "Reference"
"""The section of `nav` that the pages are added to."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of reference to the navigation, and equations to what a fence can be."""
    assert isinstance(config.nav, list)
    (section,) = (entry[REFERENCE] for entry in config.nav if REFERENCE in entry)
    section.extend({page.title: page.path} for page in pages())
    equations = {"name": "math", "class": "math", "format": mathml}
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [equations]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages themselves."""
    for page in pages():
        files.append(File.generated(config, page.path, content=page.text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Two things that GitHub draws, and Python-Markdown by itself does not.

    A list right below a paragraph, and `$equations$` in the text of pages that have blocks of
    `math`; on others a $ is money.
    """
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    for n in range(0, len(parts), 2):
        parts[n] = re.sub(r"(?m)^(?![-*|#>]|\d+\. |    |\s*$)(.+)\n(?=- )", r"\1\n\n", parts[n])
        if "```math" in markdown:
            parts[n] = re.sub(r"\$([^$]+)\$", _inline, parts[n])
    return "".join(parts)


def _inline(equation: re.Match[str]) -> str:
    # Python-Markdown takes a tag that it does not know for a block, where a line begins with it.
    return f"<span>{convert(equation[1])}</span>"


def mathml(
    source: str,
    language: str,
    css_class: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """A block of LaTeX as MathML, which browsers draw by themselves; one equation per line."""
    lines = (line for line in source.splitlines() if line.strip())
    return "".join(f"<p>{convert(line, display='block')}</p>" for line in lines)
