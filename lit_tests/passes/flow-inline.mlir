// RUN: flowir-opt %s -p flow-inline --split-input-file | filecheck %s
// RUN: flowir-opt %s -p 'flow-inline{keep=true}' --split-input-file | filecheck %s --check-prefix=KEEP

flow.agent @ask prompt "{x}" space <models = ["a", "b"]>
flow.tool @check impl "m:check" -> !flow.bool effect pure

// Decisions and choices are those of the workflow that wrote them, however it is reached; sites
// tell the calls apart.
flow.workflow @inner(%x: !flow.text) -> !flow.text attributes {dse.worst = #dse.worst<calls = 1>} {
  %draft = flow.call @ask(%x) : (!flow.text) -> !flow.text
  flow.return %draft : !flow.text
}
flow.workflow @middle(%x: !flow.text) -> !flow.text {
  %best = flow.alternatives "way" -> !flow.text attributes {dse.choices = ["p"]}
    "p" {
      %a = flow.call @inner(%x) at "deep" : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    "q" {
      %b = flow.call @ask(%x) as "strong" : (!flow.text) -> !flow.text
      flow.yield %b : !flow.text
    }
  flow.return %best : !flow.text
}
flow.workflow @same(%x: !flow.text) -> !flow.text {
  flow.return %x : !flow.text
}
flow.workflow @outer(%x: !flow.text) -> !flow.text {
  %1 = flow.call @middle(%x) at "one" : (!flow.text) -> !flow.text
  %kept = flow.fallback until @check max 2 -> !flow.text {
    %2 = flow.call @middle(%1) at "two" : (!flow.text) -> !flow.text
    flow.yield %2 : !flow.text
  }
  %3 = flow.call @inner(%kept) : (!flow.text) -> !flow.text
  %4 = flow.call @ask(%3) as "strong" : (!flow.text) -> !flow.text
  %5 = flow.call @same(%4) : (!flow.text) -> !flow.text
  flow.return %5 : !flow.text
}

// CHECK:       builtin.module {
// CHECK-NOT:   @inner
// CHECK-NOT:   @middle
// CHECK-NOT:   @same
// CHECK:       flow.workflow @outer(%x: !flow.text) -> !flow.text {
// CHECK-NEXT:    %best = flow.alternatives "middle.way" -> !flow.text
// CHECK-NEXT:      "p" {
// CHECK-NEXT:        %draft = flow.call @ask(%x) at "one.deep.draft" as "inner" :
// CHECK-NEXT:        flow.yield %draft
// CHECK-NEXT:      }
// CHECK-NEXT:      "q" {
// CHECK-NEXT:        %b = flow.call @ask(%x) at "one.b" as "middle.strong" :
// CHECK-NEXT:        flow.yield %b
// CHECK-NEXT:      }
// CHECK-NEXT:    %kept = flow.fallback until @check max 2 at "kept" -> !flow.text {
// CHECK-NEXT:      %[[best:[a-z_0-9]+]] = flow.alternatives "middle.way" -> !flow.text
// CHECK-NEXT:        "p" {
// CHECK-NEXT:          %[[draft:[a-z_0-9]+]] = flow.call @ask(%best) at "two.deep.draft" as "inner" :
// CHECK-NEXT:          flow.yield %[[draft]]
// CHECK-NEXT:        }
// CHECK-NEXT:        "q" {
// CHECK-NEXT:          %[[b:[a-z_0-9]+]] = flow.call @ask(%best) at "two.b" as "middle.strong" :
// CHECK-NEXT:          flow.yield %[[b]]
// CHECK-NEXT:        }
// CHECK-NEXT:      flow.yield %[[best]]
// CHECK-NEXT:    }
// CHECK-NEXT:    %[[third:[a-z_0-9]+]] = flow.call @ask(%kept) at "inner.draft" as "inner" :
// CHECK-NEXT:    %[[last:[a-z_0-9]+]] = flow.call @ask(%[[third]]) at "ask" as "strong" :
// CHECK-NEXT:    flow.return %[[last]]

// KEEP:        flow.workflow @inner(%x: !flow.text) -> !flow.text attributes {dse.worst
// KEEP:        flow.workflow @middle(
// KEEP-NEXT:     flow.alternatives "way"
// KEEP-NEXT:       "p" {
// KEEP-NEXT:         %draft = flow.call @ask(%x) at "deep.draft" as "inner" :
// KEEP:        flow.workflow @same(
// KEEP-NEXT:     flow.return %x
// KEEP:        flow.workflow @outer(
// KEEP-NEXT:     flow.alternatives "middle.way"
