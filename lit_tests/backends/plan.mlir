// RUN: flowir-opt %s -t asyncio | filecheck %s --check-prefixes=CHECK,ASYNCIO
// RUN: flowir-opt %s -t langgraph | filecheck %s --check-prefixes=CHECK,GRAPH
// RUN: flowir-opt %s -t asyncio -o %t.py && python -I %t.py --help | filecheck %s --check-prefix=HELP
// RUN: flowir-opt %s -t langgraph -o %t.py && python %t.py --help | filecheck %s --check-prefix=HELP
// RUN: flowir-opt %s -t mermaid | filecheck %s --check-prefix=DRAWN

flow.agent @planner prompt "{tools}\n{question}\n{history}" space <models = ["large"]>
flow.agent @joiner prompt "{question}\n{history}" space <models = ["small"]>
flow.tool @search impl "web:search" takes (query: text, limit?: integer) effect reads concurrency 4 timeout 10.0 about "finds pages"
flow.tool @ratio impl "web:ratio" takes (a: number, b: any) -> !flow.json effect pure

flow.workflow @compare(%question: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search, @ratio] max_replans 2 max_tasks 20 -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %question, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %answer : !flow.text
}

// ASYNCIO:    needs nothing but Python
// GRAPH:      a LangGraph StateGraph
// CHECK:      return plans of search, ratio, at most 3:
// CHECK-NEXT:     planner: give planner(tools, question, history)
// CHECK-NEXT:     joiner: give joiner(question, history
// ASYNCIO-NOT: import flowir
// CHECK:      def planner(ctx: Context, site: str, tools: str, question: str, history: str) -> AsyncIterator[str]:
// CHECK:      return pieces_of(
// CHECK:      async def joiner(
// ASYNCIO:    async def compare(ctx: Context, question: str) -> str:
// ASYNCIO-NEXT:   """The workflow, as the point of the context has it."""
// ASYNCIO-NEXT:   return await run_plan(
// GRAPH:      async def make_answer(state: State, runtime: Runtime[Settings]) -> State:
// GRAPH-NEXT:     """Plan answer, run as it is written."""
// GRAPH-NEXT:     ctx = context_of(runtime)
// GRAPH-NEXT:     answer = await run_plan(
// CHECK-NEXT:         ctx,
// CHECK-NEXT:         "answer",
// CHECK-NEXT:         lambda tools, history: planner(ctx, "plan", tools, {{.*}}, history),
// CHECK-NEXT:         lambda history: joiner(ctx, "said", {{.*}}, history),
// CHECK-NEXT:         ["search", "ratio"],
// CHECK-NEXT:         max_replans=2,
// CHECK-NEXT:         max_tasks=20,
// CHECK:      class PlanReader:
// CHECK:      class PlanError(WorkflowError):
// CHECK:      async def run_plan(
// CHECK:      PLANNED: dict[str, tuple[Signature, int | None, float | None]] = {
// CHECK-NEXT:     "search": (
// CHECK-NEXT:         Signature(
// CHECK-NEXT:             "search",
// CHECK-NEXT:             (Parameter("query", "text"), Parameter("limit", "integer", required=False)),
// CHECK-NEXT:             "finds pages",
// CHECK-NEXT:         ),
// CHECK-NEXT:         4,
// CHECK-NEXT:         10.0,
// CHECK-NEXT:     ),
// CHECK-NEXT:     "ratio": (
// CHECK-NEXT:         Signature("ratio", (Parameter("a", "number"), Parameter("b")), pure=True),
// CHECK-NEXT:         None,
// CHECK-NEXT:         None,
// CHECK-NEXT:     ),
// CHECK-NEXT: }

// HELP: compare(question: text) -> text

// DRAWN: plan answer<br/>at most 3 plans
// DRAWN: search<br/>ratio
// DRAWN: -->|"tasks"|
// DRAWN: -.->|"replan"|
