// RUN: flowir-opt %s -t langgraph | filecheck %s
// RUN: flowir-opt %s -t langgraph -o %t.py && python %t.py --help | filecheck %s --check-prefix=HELP

flow.agent @coder prompt "Complete this function.\n\n{task}" space <models = ["small"]>
flow.agent @critic prompt "{task}\n{value}" space <models = ["small"]>
flow.tool @split impl "code.tools:split" -> !flow.list<!flow.text>

flow.workflow @repair(%task: !flow.text) -> !flow.text {
  %a = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %b = flow.call @coder(%task) as "second" : (!flow.text) -> !flow.text
  %agreed = flow.join vote(%a, %b) : (!flow.text, !flow.text) -> !flow.text
  %kept = flow.fallback until @critic(%task : !flow.text) max 3 -> !flow.text {
    %draft = flow.call @coder(%agreed) : (!flow.text) -> !flow.text
    flow.yield %draft : !flow.text
  }
  %parts = flow.call @split(%kept) : (!flow.text) -> !flow.list<!flow.text>
  %done = flow.map(%part) in %parts : !flow.list<!flow.text> max 8 -> !flow.list<!flow.text> {
    %solved = flow.call @coder(%part) : (!flow.text) -> !flow.text
    flow.yield %solved : !flow.text
  }
  %text = flow.join concat(%kept) : (!flow.text) -> !flow.text
  %z = flow.call @critic(%text, %done) : (!flow.text, !flow.list<!flow.text>) -> !flow.text
  flow.return %z : !flow.text
}

// The join waits for both; a counter bounds the loop; a map fans out and gathers, or gathers at once.
// CHECK:      class State(TypedDict, total=False):
// CHECK:      done_items: Annotated[list[tuple[int, str]], operator.add]
// CHECK:      async def make_agreed(state: State) -> State:
// CHECK-NEXT:     """Join vote."""
// CHECK-NEXT:     agreed = plurality([state["a"], state["b"]])
// CHECK-NEXT:     return {"agreed": agreed, "kept_attempts": 1}
// CHECK:      async def check_kept(state: State, runtime: Runtime[Settings]) -> Command[str]:
// CHECK:          if state["kept_attempts"] == 3:
// CHECK:          return Command(update={"kept_attempts": state["kept_attempts"] + 1}, goto="make_draft")
// CHECK:      async def fan_out_done(state: State) -> list[Send] | str:
// CHECK:          return fan_out("done", "make_done", items, at_most=8) or "gather_done"
// CHECK:      done = in_order(state["done_items"])
// CHECK:      def build(checkpointer: Checkpointer = None)
// CHECK:      builder.add_node("make_a", make_a, metadata={"flowir.site": "a"})
// CHECK:      builder.add_edge(["make_a", "make_b"], "make_agreed")
// CHECK:      builder.add_edge("make_done", "gather_done")
// CHECK:      graph = build()

// HELP: --max-concurrency N
