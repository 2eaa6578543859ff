"use strict";
// Picks points by limits, shows one point at a time, and draws the arrows of its graph.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const quantities = ["accuracy", "latency_s", "cost_usd"];
  const known = quantities.filter((q) => q in data.points[0].means);
  const scale = { accuracy: 100, latency_s: 1, cost_usd: 1000 };
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  let shown = null;

  document.documentElement.classList.add("script");

  function limits() {
    const found = {};
    for (const input of all("form.limits input[type=number]")) {
      if (input.value !== "" && Number.isFinite(input.valueAsNumber)) {
        found[input.name] = input.valueAsNumber / scale[input.name];
      }
    }
    return found;
  }

  // The rule of `flowir select`: the best in the first quantity without a limit; ties go to the
  // more accurate, then the faster, then the cheaper, then the first.
  function select(wanted) {
    const keeps = (point) => known.every((q) => !(q in wanted) ||
      (q === "accuracy" ? point.means[q] >= wanted[q] : point.means[q] <= wanted[q]));
    const loss = (point, q) => (q === "accuracy" ? -point.means[q] : point.means[q]);
    const left = data.points.filter(keeps);
    const target = known.find((q) => !(q in wanted)) ?? "accuracy";
    left.sort((a, b) => {
      for (const q of [target, ...known]) {
        const difference = loss(a, q) - loss(b, q);
        if (difference !== 0) return difference;
      }
      return a.number - b.number;
    });
    return left;
  }

  function show(number) {
    shown = number;
    for (const section of all("section.point")) {
      section.hidden = Number(section.dataset.point) !== number;
    }
    for (const one of all("[data-mark]")) {
      one.classList.toggle("chosen", Number(one.dataset.mark) === number);
    }
    arrows(number);
  }

  function choose() {
    const wanted = limits(), left = select(wanted), kept = new Set(left.map((p) => p.number));
    for (const one of all("[data-mark]")) {
      one.classList.toggle("out", !kept.has(Number(one.dataset.mark)));
    }
    const output = document.getElementById("picked");
    if (left.length === 0) {
      output.textContent = "No point keeps to these limits.";
      return;
    }
    const number = Object.keys(wanted).length === 0 ? data.baseline : left[0].number;
    output.textContent = Object.keys(wanted).length === 0
      ? `No limits: today's point, ${number}, is shown.`
      : `Point ${number} is the best of ${left.length} that keep to the limits.`;
    show(number);
  }

  function arrows(number) {
    const section = document.querySelector(`section.point[data-point="${number}"]`);
    const graph = section?.querySelector(".graph");
    if (!graph) return;
    graph.querySelector("svg.arrows")?.remove();
    const frame = graph.getBoundingClientRect();
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.classList.add("arrows");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("width", graph.scrollWidth);
    svg.setAttribute("height", graph.scrollHeight);
    const head = `head${number}`;
    svg.innerHTML = `<defs><marker id="${head}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"` +
      ` markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill:var(--soft);stroke:none"/></marker></defs>`;
    const place = (id) => graph.querySelector(`[data-node="${id}"]`)?.getBoundingClientRect();
    for (const [start, end] of data.points.find((p) => p.number === number).edges) {
      const a = place(start), b = place(end);
      if (!a || !b) continue;
      const back = b.top < a.bottom - 1;
      const left = graph.scrollLeft - frame.left, top = graph.scrollTop - frame.top;
      const x1 = (back ? a.right : (a.left + a.right) / 2) + left, y1 = (back ? (a.top + a.bottom) / 2 : a.bottom) + top;
      const x2 = (back ? b.right : (b.left + b.right) / 2) + left, y2 = (back ? (b.top + b.bottom) / 2 : b.top) + top;
      const bend = back ? 34 : Math.max(12, (y2 - y1) / 2);
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", back
        ? `M${x1} ${y1} C${Math.max(x1, x2) + bend} ${y1} ${Math.max(x1, x2) + bend} ${y2} ${x2} ${y2}`
        : `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`);
      path.setAttribute("marker-end", `url(#${head})`);
      if (back) path.classList.add("back");
      svg.append(path);
    }
    graph.append(svg);
  }

  for (const input of all("form.limits input[type=number]")) {
    const slider = document.getElementById(`${input.id}-slider`);
    input.addEventListener("input", () => { if (input.value !== "") slider.value = input.value; choose(); });
    slider.addEventListener("input", () => { input.value = slider.value; choose(); });
  }
  document.querySelector("form.limits").addEventListener("reset", () => setTimeout(choose));
  document.querySelector("form.limits").addEventListener("submit", (event) => event.preventDefault());
  for (const link of all("a[data-mark], [data-mark] a")) {
    link.addEventListener("click", () => show(Number((link.dataset.mark ?? link.closest("[data-mark]").dataset.mark))));
  }
  for (const button of all("button[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
      button.textContent = "Copied";
    });
  }
  addEventListener("resize", () => { if (shown !== null) arrows(shown); });
  for (const details of all("details")) {
    details.addEventListener("toggle", () => { if (shown !== null) arrows(shown); });
  }
  const asked = /^#point-(\d+)$/.exec(location.hash);
  choose();
  if (asked && data.points.some((p) => p.number === Number(asked[1]))) show(Number(asked[1]));
})();
