"""The page in a real browser: it picks what `select` picks, by mouse and by keyboard, offline."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowir.errors import SelectionError
from flowir.report.gather import Report
from flowir.search.selection import select

pytestmark = pytest.mark.slow
CHROMIUM = next((p for n in ("chromium", "google-chrome") if (p := shutil.which(n))), None)


@pytest.fixture(scope="module")
def opened(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The report in Chromium without a network, and every message of its console."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install flowir[browser]")
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH; apt install chromium")
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page, "utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        tab = context.new_page()
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(path.as_uri())
        yield tab
        assert said == []
        browser.close()


def shown(tab: Any) -> list[int]:
    numbers = tab.eval_on_selector_all(
        "section.point", "all => all.filter(s => !s.hidden).map(s => Number(s.dataset.point))"
    )
    return [int(number) for number in numbers]


def test_limits_pick_what_select_picks(opened: Any, report: Report) -> None:
    rng, front = random.Random(0), report.front
    ranges = {
        name: sorted(p.estimates[name].mean for p in front.points)
        for name in ("accuracy", "latency_s", "cost_usd")
    }
    options = {"accuracy": "min_accuracy", "latency_s": "max_latency", "cost_usd": "max_cost"}
    scale = {"accuracy": 100.0, "latency_s": 1.0, "cost_usd": 1000.0}
    refused = 0
    for _ in range(40):
        asked = rng.sample(sorted(ranges), rng.randint(1, 3))
        wanted = {}
        opened.click("#no-limits")
        for name in asked:
            low, high = ranges[name][0], ranges[name][-1]
            typed = f"{scale[name] * rng.uniform(0.9 * low, 1.1 * high):.6g}"
            opened.fill(f"#limit-{name}", typed)
            wanted[options[name]] = float(typed) / scale[name]
        try:
            expected = [select(front, **wanted)]
        except SelectionError:
            assert "No point" in opened.inner_text("#picked")
            refused += 1
            continue
        assert shown(opened) == expected
        assert f"Point {expected[0]} is" in opened.inner_text("#picked")
    assert 0 < refused < 40


def test_today_is_shown_where_nothing_is_asked(opened: Any, report: Report) -> None:
    opened.click("#no-limits")
    opened.wait_for_function(
        "document.getElementById('picked').textContent.startsWith('No limits')"
    )
    assert shown(opened) == [report.front.baseline]


def test_the_keyboard_reaches_every_point(opened: Any, report: Report) -> None:
    """By tabs to its row of the table and to its dot in every plot; Enter shows it."""
    opened.evaluate("document.querySelector('table a').focus()")
    reached: list[str] = []
    for _ in range((1 + len(report.plots)) * len(report.points)):
        reached.append(opened.evaluate("document.activeElement.getAttribute('href')"))
        opened.keyboard.press("Tab")
    names = [f"#point-{point.number}" for point in report.points]
    assert reached == names * (1 + len(report.plots))
    for point in report.points:
        opened.evaluate(f"document.querySelectorAll('table a')[{point.number}].focus()")
        opened.keyboard.press("Enter")
        assert shown(opened) == [point.number]


def test_a_dot_of_a_plot_shows_its_point(opened: Any, report: Report) -> None:
    last = report.points[-1].number
    opened.click(f"svg a[data-mark='{last}'] .dot >> nth=0", force=True)
    assert shown(opened) == [last]
    classes = opened.get_attribute(f"tr[data-mark='{last}']", "class")
    assert "chosen" in (classes or "")


def test_arrows_join_boxes(opened: Any, report: Report) -> None:
    """As many as the graph has; each begins and ends on the frame of a box."""
    number = shown(opened)[0]
    section = f"section.point[data-point='{number}']"
    ends = opened.evaluate(
        """(section) => {
          const graph = document.querySelector(`${section} .graph`);
          const frame = graph.getBoundingClientRect();
          const boxes = [...graph.querySelectorAll(".node")].map((n) => n.getBoundingClientRect());
          const near = (p) => Math.min(...boxes.map((b) => {
            const x = p.x + frame.left - graph.scrollLeft, y = p.y + frame.top - graph.scrollTop;
            const dx = Math.max(b.left - x, 0, x - b.right);
            const dy = Math.max(b.top - y, 0, y - b.bottom);
            return Math.hypot(dx, dy);
          }));
          return [...graph.querySelectorAll("svg.arrows > path")].map(
            (path) => [0, path.getTotalLength()].map((at) => near(path.getPointAtLength(at)))
          );
        }""",
        section,
    )
    assert len(ends) == len(report.points[number].edges)
    assert all(max(pair) <= 2.0 for pair in ends), ends


def test_nothing_sticks_out_on_a_telephone(opened: Any) -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    wide = opened.evaluate("document.documentElement.scrollWidth")
    opened.set_viewport_size({"width": 1280, "height": 900})
    assert wide <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(opened: Any, scheme: str) -> None:
    """Contrast of text on its ground is at least 4.5 (WCAG 2.2, 1.4.3)."""
    opened.emulate_media(color_scheme=scheme)
    ratios = opened.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const light = (name) => {
            const hex = style.getPropertyValue(name).trim().slice(1);
            const parts = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
              .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const found = [];
          for (const ink of ["--ink", "--soft", "--accent"]) {
            for (const ground of ["--paper", "--panel"]) {
              const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
              found.push((a + 0.05) / (b + 0.05));
            }
          }
          return found;
        }"""
    )
    assert min(ratios) >= 4.5


def test_pictures_for_people(opened: Any, tmp_path: Path) -> None:
    """What a person would look at can be made, and is not empty."""
    picture = opened.screenshot(path=str(tmp_path / "report.png"), full_page=True)
    assert len(picture) > 20_000
