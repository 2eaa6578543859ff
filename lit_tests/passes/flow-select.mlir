// RUN: flowir-opt %s -p 'flow-select{point=1}' | filecheck %s
// RUN: flowir-opt %s -p 'flow-select{max-latency=4}' | filecheck %s
// RUN: flowir-opt %s -p 'flow-select{min-accuracy=0.8}' | filecheck %s --check-prefix=RIGHT
// RUN: not flowir-opt %s -p 'flow-select{max-latency=1}' 2>&1 | filecheck %s --check-prefix=NONE
// RUN: not flowir-opt %s -p 'flow-select{point=9}' 2>&1 | filecheck %s --check-prefix=NUMBER

flow.agent @coder prompt "{task}"
  space <models = ["small", "large"]>
  baseline <"large">
flow.tool @tests impl "a.b:tests" -> !flow.bool accepts <right = 0.99, wrong = 0.2>
flow.workflow @w(%task: !flow.text) -> !flow.text attributes {dse.front = #dse.front<"2d2d89fe76f2f6fab6ab878e5e0a37170a3405198f3d4b1bf988fdbb99fbac68", {objectives = "accuracy, latency, cost", latency = "mean", execution = "sequential", model = "scenario", queries = "population", method = "enumerated", credible = 0.9, draws = 20, scenarios = 16, seed = 0, space = 4, evaluated = 4, found = 4, profile = "023bdfbe8fea73f6e28dc5c01721dbcf22c8bd393938734e4dad35cee6703c0b", assumption_1 = "tests accepts 0.99 of right and 0.2 of wrong values, its verdicts on one query correlated 0, as the workflow states", assumption_2 = "coder was never observed on a wrong input: it is taken never to recover", points = 4}, [
  #dse.point<0, accuracy = 0.622389 [0.459399, 0.73499], latency_s = 1.97554 [1.76096, 2.48552], cost_usd = 0.000200683 [0.000197709, 0.000205053], p_non_dominated = 1.0, worst = {calls = 1}>,
  #dse.point<1, accuracy = 0.775267 [0.617574, 0.87708], latency_s = 2.90432 [2.42032, 3.88625], cost_usd = 0.000293494 [0.000265201, 0.000334016], p_non_dominated = 1.0, worst = {calls = 3}>,
  #dse.point<2, accuracy = 0.728255 [0.588491, 0.860191], latency_s = 5.06791 [4.11422, 5.98958], cost_usd = 0.00250819 [0.00247052, 0.00254227], p_non_dominated = 0.25, worst = {calls = 1}, baseline>,
  #dse.point<3, accuracy = 0.836109 [0.679788, 0.95489], latency_s = 6.60942 [5.82055, 7.46144], cost_usd = 0.00334206 [0.00295746, 0.00378935], p_non_dominated = 0.7, worst = {calls = 3}>
]>} {
  %answer = flow.alternatives "strategy" -> !flow.text attributes {dse.choices = ["once", "retry", "once", "retry"]}
    "once" {
      %draft = flow.call @coder(%task) at "draft" attributes {dse.configs = [#dse.config<"small">, #dse.unused, #dse.config<"large">, #dse.unused]} : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 at "kept" -> !flow.text {
        %try = flow.call @coder(%task) at "try" attributes {dse.configs = [#dse.unused, #dse.config<"small">, #dse.unused, #dse.config<"large">]} : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
  flow.return %answer : !flow.text
}

// CHECK: flow.workflow @w(%task: !flow.text) -> !flow.text
// CHECK-SAME: dse.estimate = {accuracy = #dse.estimate<0.775
// CHECK-NEXT: %kept = flow.fallback until @tests(%task : !flow.text) max 3 at "kept" -> !flow.text {
// CHECK-NEXT: %try = flow.call @coder(%task) at "try" config <"small"> : (!flow.text) -> !flow.text
// CHECK-NEXT: flow.yield %try : !flow.text
// CHECK-NEXT: }
// CHECK-NEXT: flow.return %kept : !flow.text

// RIGHT: dse.estimate = {accuracy = #dse.estimate<0.836
// RIGHT: flow.call @coder(%task) at "try" config <"large"> :

// NONE: error: no point meets max-latency=1: the lowest latency found is 1.976 s
// NUMBER: error: point=9: there are points 0 … 3
