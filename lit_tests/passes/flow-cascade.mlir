// RUN: flowir-opt %s -p 'flow-cascade{agent=coder tiers=2,3 until=tests}' | flowir-opt | filecheck %s
// RUN: flowir-opt %s -p 'flow-cascade{site=draft tiers=2 until=critic}' | filecheck %s --check-prefix=CRITIC
// RUN: flowir-opt %s -p 'flow-cascade{site=draft tiers=2 until=tests context=none}' | filecheck %s --check-prefix=BARE

flow.agent @coder prompt "{task} {hint}" space <models = ["small", "large"]>
flow.agent @fixer prompt "{task}" space <models = ["small", "large"]>
flow.agent @critic prompt "{hint} {value}" -> !flow.bool space <models = ["small"]>
flow.agent @stranger prompt "{rubric} {value}" space <models = ["small"]>
flow.agent @blind prompt "Is it right?" space <models = ["small"]>
flow.tool @tests impl "a.b:tests" -> !flow.bool effect pure accepts <right = 0.99, wrong = 0.2>
flow.tool @deploy impl "a.b:deploy" -> !flow.bool
flow.tool @size impl "a.b:size" -> !flow.json effect pure

// The group "first" is somebody's already.
flow.workflow @w(%task: !flow.text, %hint: !flow.text) -> !flow.json {
  %early = flow.call @coder(%task, %hint) as "first" : (!flow.text, !flow.text) -> !flow.text
  %draft = flow.call @coder(%early, %hint) space <models = ["small"]> : (!flow.text, !flow.text) -> !flow.text
  %fixed = flow.call @fixer(%draft) config <"small"> : (!flow.text) -> !flow.text
  %sized = flow.call @size(%fixed) : (!flow.text) -> !flow.json
  flow.return %sized : !flow.json
}

// CHECK:      %early = flow.alternatives "coder/first cascade" -> !flow.text
// CHECK:          flow.call @coder(%task, %hint) at "early" as "first" :
// CHECK:          flow.fallback until @tests(%task, %hint : !flow.text, !flow.text) at "early_cascade2" -> !flow.text {
// CHECK-NEXT:       flow.call @coder(%task, %hint) at "early_cascade2_first" as "first.first" :
// CHECK:            flow.call @coder(%task, %hint) at "early_cascade2_second" as "first.second" :
// CHECK:      %draft = flow.alternatives "coder cascade" -> !flow.text
// CHECK-NEXT:   "once" {
// CHECK-NEXT:     %draft_1 = flow.call @coder(%early, %hint) at "draft" space <models = ["small"]> : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     flow.yield %draft_1 : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   "cascade of 2" {
// CHECK-NEXT:     %kept_2 = flow.fallback until @tests(%early, %hint : !flow.text, !flow.text) at "draft_cascade2" -> !flow.text {
// CHECK-NEXT:       %draft_2 = flow.call @coder(%early, %hint) at "draft_cascade2_first" as "first_2" space <models = ["small"]> : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %draft_2 : !flow.text
// CHECK-NEXT:     } else {
// CHECK-NEXT:       %draft_3 = flow.call @coder(%early, %hint) at "draft_cascade2_second" as "second" space <models = ["small"]> : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %draft_3 : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     flow.yield %kept_2 : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   "cascade of 3" {
// CHECK:            at "draft_cascade3_first" as "first_2"
// CHECK:            at "draft_cascade3_second" as "second"
// CHECK:            at "draft_cascade3_third" as "third"

// CRITIC: flow.alternatives "draft cascade"
// CRITIC: flow.fallback until @critic(%hint : !flow.text) at "draft_cascade2" -> !flow.text {
// CRITIC: as "draft.first"
// CRITIC: as "draft.second"
// BARE: flow.fallback until @tests at "draft_cascade2" -> !flow.text {
