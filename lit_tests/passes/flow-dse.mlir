// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16' --profile %S/Inputs/coder.csv --prices %S/Inputs/prices.csv | filecheck %s
// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16 allow="strategy: once","coder: small | large" forbid="coder: small & strategy: once"' --profile %S/Inputs/coder.csv --prices %S/Inputs/prices.csv | filecheck %s --check-prefix=RULES
// RUN: not flowir-opt %s --dse='lock="strategy: retry","strategy: once"' --profile %S/Inputs/coder.csv 2>&1 | filecheck %s --check-prefix=LOCKS
// RUN: not flowir-opt %s --dse='allow="coder: tiny"' --profile %S/Inputs/coder.csv 2>&1 | filecheck %s --check-prefix=EMPTY

flow.agent @coder prompt "{task}" space <models = ["small", "large"]> baseline <"large">
flow.tool @tests impl "a.b:tests" -> !flow.bool accepts <right = 0.99, wrong = 0.2>

flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "once" {
      %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
        %try = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
  flow.return %answer : !flow.text
}

// CHECK: flow.workflow @w(%task: !flow.text) -> !flow.text
// CHECK-SAME: dse.front = #dse.front<"{{[0-9a-f]+}}"
// CHECK-SAME: objectives = "accuracy, latency, cost"
// CHECK-SAME: method = "enumerated"
// CHECK-SAME: space = 4
// CHECK: #dse.point<0, accuracy = {{[0-9.]+}} [{{[0-9.]+}}, {{[0-9.]+}}], latency_s = {{.*}}, cost_usd = {{.*}}, p_non_dominated = 1.0, worst = {calls = 1}>,
// CHECK: worst = {calls = 1}, baseline>
// CHECK: flow.alternatives "strategy"
// CHECK-SAME: dse.choices = ["once", "retry", "once", "retry"]
// CHECK: flow.call @coder(%task) at "draft"
// CHECK-SAME: dse.configs = [#dse.config<"small">, #dse.unused, #dse.config<"large">, #dse.unused]
// CHECK: flow.fallback until @tests(%task : !flow.text) max 3 at "kept" -> !flow.text {
// CHECK: flow.call @coder(%task) at "try"
// CHECK-SAME: dse.configs = [#dse.unused, #dse.config<"small">, #dse.unused, #dse.config<"large">]

// RULES: space = 1
// RULES-SAME: rule_1 = "allow=\"strategy: once\""
// RULES: dse.choices = ["once"]
// RULES: dse.configs = [#dse.config<"large">]

// LOCKS: lock="strategy: once": nothing of it is left by lock="strategy: retry"; alternatives "strategy" would have nothing to choose
// EMPTY: allow="coder: tiny": tiny leaves nothing of the space of coder; it has small, large
