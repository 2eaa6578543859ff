// RUN: flowir-opt %s -p 'flow-cascade{agent=coder tiers=2,3 until=tests},flow-space-stats' 2>&1 >/dev/null | filecheck %s
// RUN: flowir-opt %s -p 'flow-space-stats{json=true}' 2>&1 >/dev/null | filecheck %s --check-prefix=JSON
// RUN: flowir-opt %s -p flow-space-stats 2>/dev/null | filecheck %s --check-prefix=SAME
// RUN: flowir-opt %s -p 'flow-space-stats{workflow=sub}' 2>&1 >/dev/null | filecheck %s --check-prefix=SUB

flow.agent @coder prompt "{task}" space <models = ["small", "large" {budgets = [100, 200]}]>
flow.agent @planner prompt "{task}" space <models = ["a", "b"], budgets = [1, 2], params = {temperature = [0.0, 0.5, 1.0]}>
flow.tool @tests impl "a.b:tests" -> !flow.bool effect pure accepts <right = 0.99, wrong = 0.2>
flow.workflow @sub(%task: !flow.text) -> !flow.text {
  %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
  flow.return %draft : !flow.text
}
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %plan = flow.call @planner(%task) : (!flow.text) -> !flow.text
  %draft = flow.call @sub(%plan) : (!flow.text) -> !flow.text
  flow.return %draft : !flow.text
}

// 12 settings of the planner times 3 + 3² + 3³ of the coder.
// CHECK:      @w: 468 compiled workflows (≈ 10^2.7) of 3 structures
// CHECK-NEXT:   planner: 12 configurations = 2 models × 2 budgets × 3 parameter settings
// CHECK-NEXT:   coder/sub: 3 configurations of 2 models, 3 budgets, 1 parameter setting
// CHECK-NEXT:   coder/sub.first: 3 configurations of 2 models, 3 budgets, 1 parameter setting
// CHECK-NEXT:   coder/sub.second: 3 configurations of 2 models, 3 budgets, 1 parameter setting
// CHECK-NEXT:   coder/sub.third: 3 configurations of 2 models, 3 budgets, 1 parameter setting
// CHECK-NEXT:   "sub.coder cascade": 3 labels, "once" | "cascade of 2" | "cascade of 3"
// CHECK-NOT:  @sub

// JSON: {"workflow": "w", "workflows": 36, "structures": 1, "exact": true, "decisions": [{"decision": "planner", "configurations": 12, "models": 2, "budgets": 2, "parameters": 3}, {"decision": "coder/sub",

// SAME:      flow.workflow @w(%task: !flow.text) -> !flow.text {
// SAME-NEXT:   %plan = flow.call @planner(%task) : (!flow.text) -> !flow.text
// SAME-NEXT:   %draft = flow.call @sub(%plan) : (!flow.text) -> !flow.text

// SUB: @sub: 3 compiled workflows (≈ 10^0.5) of 1 structure
