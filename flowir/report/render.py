"""A report as one file of HTML that needs nothing else."""

from __future__ import annotations

import json
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from flowir.report.gather import Report


def render(report: Report) -> str:
    """The page. Text of the workflow and of models is text in it, never markup."""
    folder = files("flowir.report") / "page"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.0f}"
    template = environment.from_string((folder / "report.html").read_text("utf-8"))
    return template.render(
        report=report,
        style=Markup((folder / "report.css").read_text("utf-8")),
        script=Markup((folder / "report.js").read_text("utf-8")),
        data=Markup(_embedded(report)),
    )


def _embedded(report: Report) -> str:
    """What the script reads, as JSON that cannot end the element it stands in."""
    points = [
        {
            "number": point.number,
            "means": {
                name: estimate.mean
                for name, estimate in report.front.points[point.number].estimates.items()
            },
            "edges": point.edges,
        }
        for point in report.points
    ]
    text = json.dumps({"points": points, "baseline": report.front.baseline})
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
