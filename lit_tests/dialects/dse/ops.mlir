// RUN: flowir-opt %s | flowir-opt | filecheck %s
// RUN: flowir-opt %s --print-op-generic | flowir-opt | filecheck %s

builtin.module attributes {
  plain = #dse.config<"small">,
  full = #dse.config<"large", budget = 200, temperature = 0.7, effort = "high", seed = 1>,
  label = #dse.config<"large", budget = "high">,
  space = #dse.space<models = ["small", "large" {budgets = [1, 2]}], params = {temperature = [0.0, 1.0e-05]}>,
  shared = #dse.space<params = {top_p = [1.0]}, budgets = ["low", "high"], models = ["small", "large"]>,
  estimate = #dse.estimate<0.888 [0.84, 0.93]>,
  worst = #dse.worst<calls = 7, seconds = 90.5>,
  configs = [#dse.config<"small">, #dse.unused]
} {
  flow.workflow @w(%t: !flow.text) -> !flow.text attributes {dse.front = #dse.front<"0123abcd", {execution = "asyncio", seed = 1}, [
    #dse.point<0, accuracy = 0.5 [0.4, 0.6], latency_s = 1.5 [1.0, 2.0], p_non_dominated = 0.75, worst = {calls = 1}, baseline>,
    #dse.point<1, accuracy = 0.6 [0.5, 0.7]>
  ]>} {
    flow.return %t : !flow.text
  }
  flow.workflow @nothing(%t: !flow.text) -> !flow.text attributes {dse.front = #dse.front<"", {}, []>} {
    flow.return %t : !flow.text
  }
}

// CHECK:      builtin.module attributes {plain = #dse.config<"small">, full = #dse.config<"large", budget = 200, effort = "high", seed = 1, temperature = 0.7>, label = #dse.config<"large", budget = "high">, space = #dse.space<models = ["small" {params = {temperature = [0.0, 1.0e-05]}}, "large" {budgets = [1, 2], params = {temperature = [0.0, 1.0e-05]}}]>, shared = #dse.space<models = ["small", "large"], budgets = ["low", "high"], params = {top_p = [1.0]}>, estimate = #dse.estimate<0.888 [0.84, 0.93]>, worst = #dse.worst<calls = 7, seconds = 90.5>, configs = [#dse.config<"small">, #dse.unused]} {
// CHECK-NEXT:   flow.workflow @w(%t: !flow.text) -> !flow.text attributes {dse.front = #dse.front<"0123abcd", {execution = "asyncio", seed = 1}, [
// CHECK-NEXT:     #dse.point<0, accuracy = 0.5 [0.4, 0.6], latency_s = 1.5 [1.0, 2.0], p_non_dominated = 0.75, worst = {calls = 1}, baseline>,
// CHECK-NEXT:     #dse.point<1, accuracy = 0.6 [0.5, 0.7], p_non_dominated = 1.0>
// CHECK-NEXT:   ]>} {
// CHECK-NEXT:     flow.return %t : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   flow.workflow @nothing(%t: !flow.text) -> !flow.text attributes {dse.front = #dse.front<"", {}, [
// CHECK-NEXT:   ]>} {
// CHECK-NEXT:     flow.return %t : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT: }
