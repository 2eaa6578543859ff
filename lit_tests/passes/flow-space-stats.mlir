// RUN: flowir-opt %s -p 'flow-cascade{agent=coder tiers=2,3 until=tests},flow-space-stats' 2>&1 >/dev/null | filecheck %s
// RUN: flowir-opt %s -p 'flow-space-stats{json=true}' 2>&1 >/dev/null | filecheck %s --check-prefix=JSON
// RUN: flowir-opt %s -p flow-space-stats 2>/dev/null | filecheck %s --check-prefix=SAME
// RUN: flowir-opt %s -p 'flow-space-stats{workflow=sub}' 2>&1 >/dev/null | filecheck %s --check-prefix=SUB
// RUN: flowir-opt %s -p 'flow-cascade{agent=coder tiers=2,3 until=tests},flow-space-stats{allow="planner: a@1 | a@2" lock="sub.coder cascade: cascade of 2" forbid="coder/sub.first: large & coder/sub.second: large"}' 2>&1 >/dev/null | filecheck %s --check-prefix=RULES
// RUN: not flowir-opt %s -p 'flow-space-stats{allow="planner: c"}' 2>&1 >/dev/null | filecheck %s --check-prefix=NONE

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

// 6 settings of the planner times 3² of the cascade, without the 2 × 2 where both are large.
// RULES:      @w: 30 compiled workflows (≈ 10^1.5) of 1 structure; before the rules 468 compiled workflows (≈ 10^2.7) of 3 structures
// RULES-NEXT:   planner: 6 configurations = 1 model × 2 budgets × 3 parameter settings; before the rules 12
// RULES-NEXT:   coder/sub: 0 configurations; before the rules 3
// RULES-NEXT:   coder/sub.first: 3 configurations of 2 models, 3 budgets, 1 parameter setting
// RULES-NEXT:   coder/sub.second: 3 configurations of 2 models, 3 budgets, 1 parameter setting
// RULES-NEXT:   coder/sub.third: 0 configurations; before the rules 3
// RULES-NEXT:   "sub.coder cascade": 1 label, "cascade of 2"; before the rules 3

// NONE: allow="planner: c": c leaves nothing of the space of planner
