// RUN: flowir-opt %s -t 'asyncio{workflow=repair}' | filecheck %s
// RUN: flowir-opt %s -t 'asyncio{workflow=other}' | filecheck %s --check-prefix=OTHER
// RUN: flowir-opt %s -t 'asyncio{workflow=repair}' -o %t.py && python %t.py --help | filecheck %s --check-prefix=HELP
// RUN: not flowir-opt %s -t asyncio 2>&1 | filecheck %s --check-prefix=MANY

flow.agent @coder prompt "Complete this function.\n\n{task}" parser "code" metric "passes the tests"
  space <models = ["small", "large"]> baseline <"large">
flow.agent @critic system "Say ACCEPT or REJECT." prompt "{task}\n{value}"
  space <models = ["small"], budgets = [200], params = {temperature = [0.0]}>
flow.tool @tests impl "code.tools:tests" -> !flow.bool accepts <right = 0.99, wrong = 0.2>

flow.workflow @repair(%task: !flow.text) -> !flow.text {
  %a = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %b = flow.call @coder(%task) as "second" : (!flow.text) -> !flow.text
  %agreed = flow.join vote(%a, %b) : (!flow.text, !flow.text) -> !flow.text
  %kept = flow.fallback until @critic(%task : !flow.text) -> !flow.text {
    flow.yield %agreed : !flow.text
  } else {
    %tried = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
      %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    flow.yield %tried : !flow.text
  }
  flow.return %kept : !flow.text
}

flow.workflow @other(%items: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %all = flow.call @each(%items) : (!flow.list<!flow.text>) -> !flow.list<!flow.text>
  flow.return %all : !flow.list<!flow.text>
}

flow.workflow @each(%items: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %solved = flow.map(%item) in %items : !flow.list<!flow.text> max 8 -> !flow.list<!flow.text> {
    %draft = flow.call @coder(%item) : (!flow.text) -> !flow.text
    flow.yield %draft : !flow.text
  }
  flow.return %solved : !flow.list<!flow.text>
}

// CHECK:      """The workflow repair, compiled by flowir; needs nothing but Python.
// CHECK:          repair(task: text) -> text
// CHECK-NEXT:         a = coder(task)
// CHECK-NEXT:         b = coder(task)
// CHECK-NEXT:         agreed = vote of a, b
// CHECK-NEXT:         return tiers until critic(task, it) accepts:
// CHECK-NEXT:             first: give agreed
// CHECK-NEXT:             else:
// CHECK-NEXT:                 give at most 3 tries until tests(task, it) accepts:
// CHECK-NEXT:                     give coder(task)
// CHECK:          point  coder  coder/second  critic
// CHECK-NEXT:     0      large  large         small, budget 200, temperature 0.0
// CHECK:      CODER_PROMPT = """\
// CHECK-NEXT: Complete this function.
// CHECK-EMPTY:
// CHECK-NEXT: {task}"""
// CHECK:      async def coder(ctx: Context, site: str, task: str, *, config: str = "coder") -> str:
// CHECK-NEXT:     """Sub-agent @coder (passes the tests)."""
// CHECK-NEXT:     answer = await ask(ctx, site, config, CODER_PROMPT.format(task=task))
// CHECK-NEXT:     return read_code(answer)
// CHECK:      TOOLS = {"tests": "code.tools:tests"}
// CHECK:      async def repair(ctx: Context, task: str) -> str:
// CHECK-NEXT:     """The workflow, as the point of the context has it."""
// CHECK-NEXT:     async with asyncio.TaskGroup() as group:
// CHECK-NEXT:         a = group.create_task(coder(ctx, "a", task))
// CHECK-NEXT:         b = group.create_task(coder(ctx, "b", task, config="coder/second"))
// CHECK-NEXT:     agreed = plurality([a.result(), b.result()])
// CHECK-NEXT:     kept = agreed
// CHECK-NEXT:     if await critic(ctx, "kept.check", task, kept):
// CHECK-NEXT:         return kept
// CHECK-NEXT:     for attempt in range(1, 4):
// CHECK-NEXT:         tried = await coder(ctx, "draft", task)
// CHECK-NEXT:         if attempt == 3 or await checker_accepts(ctx, "tests", task, tried):
// CHECK-NEXT:             break
// CHECK-NEXT:     return tried
// CHECK:      POINTS = (
// CHECK-NEXT:     Point(
// CHECK-NEXT:         0,
// CHECK-NEXT:         configs={
// CHECK-NEXT:             "coder": Config("large"),
// CHECK-NEXT:             "coder/second": Config("large"),
// CHECK-NEXT:             "critic": Config("small", budget=200, params={"temperature": 0.0}),

// A workflow that is called becomes part of the one that calls it; budgets are left out.
// OTHER:      async def other(ctx: Context, items: list[str]) -> list[str]:
// OTHER-NEXT:     """The workflow, as the point of the context has it."""
// OTHER-EMPTY:
// OTHER-NEXT:     async def solved_item(item: str) -> str:
// OTHER-NEXT:         return await coder(ctx, "all.draft", item)
// OTHER-EMPTY:
// OTHER-NEXT:     return await each("all.solved", solved_item, items, at_most=8)
// OTHER-NOT:  "budget"

// HELP: [--task TEXT]
// HELP: repair(task: text) -> text
// HELP: --max-concurrency N

// MANY: 2 workflows could be meant (repair, other)
