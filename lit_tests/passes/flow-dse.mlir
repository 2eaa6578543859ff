// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16' --profile %S/Inputs/coder.csv --prices %S/Inputs/prices.csv | filecheck %s

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
