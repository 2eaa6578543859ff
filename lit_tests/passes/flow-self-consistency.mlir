// RUN: flowir-opt %s -p 'flow-self-consistency{agent=coder n=3 key=normalised}' | flowir-opt | filecheck %s
// RUN: flowir-opt %s -p 'flow-self-consistency{agent=coder n=2,3 tied=false workflow=twice}' | filecheck %s --check-prefix=APART
// RUN: flowir-opt %s -p 'flow-self-consistency{site=sub n=2}' | filecheck %s --check-prefix=WORKFLOW

flow.agent @coder prompt "{task}" space <models = ["small", "large"]>
flow.agent @router prompt "{task}" -> !flow.label space <models = ["small"]>
flow.agent @idle prompt "{task}" space <models = ["small"]>
flow.tool @normalised impl "a.b:normalised" effect pure
flow.tool @post impl "a.b:post"

flow.workflow @twice(%task: !flow.text) -> !flow.text {
  %draft = flow.call @coder(%task) as "strong" : (!flow.text) -> !flow.text
  %other = flow.call @coder(%draft) at "other" : (!flow.text) -> !flow.text
  %last = flow.call @coder(%other) : (!flow.text) -> !flow.text
  flow.return %last : !flow.text
}
flow.workflow @publish(%task: !flow.text) -> !flow.text {
  %posted = flow.call @post(%task) : (!flow.text) -> !flow.text
  flow.return %posted : !flow.text
}
flow.workflow @entry(%task: !flow.text) -> !flow.text {
  %sub = flow.call @twice(%task) : (!flow.text) -> !flow.text
  %sent = flow.call @publish(%sub) : (!flow.text) -> !flow.text
  %kind = flow.call @router(%task) : (!flow.text) -> !flow.label
  %b = flow.branch %kind : !flow.label -> !flow.text
    else {
      flow.yield %sent : !flow.text
    }
  flow.return %b : !flow.text
}

// Calls of one decision are one choice; calls of another group are another.
// CHECK:      flow.workflow @twice
// CHECK-NEXT:   %draft = flow.alternatives "coder/strong votes" -> !flow.text
// CHECK-NEXT:     "once" {
// CHECK-NEXT:       %draft_1 = flow.call @coder(%task) at "draft" as "strong" : (!flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %draft_1 : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     "vote of 3" {
// CHECK-NEXT:       %draft_2 = flow.call @coder(%task) at "draft_vote3_1" as "strong" : (!flow.text) -> !flow.text
// CHECK-NEXT:       %draft_3 = flow.call @coder(%task) at "draft_vote3_2" as "strong" : (!flow.text) -> !flow.text
// CHECK-NEXT:       %draft_4 = flow.call @coder(%task) at "draft_vote3_3" as "strong" : (!flow.text) -> !flow.text
// CHECK-NEXT:       %vote = flow.join vote(%draft_2, %draft_3, %draft_4) key @normalised : (!flow.text, !flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %vote : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:   %other = flow.alternatives "coder votes" -> !flow.text
// CHECK:          flow.call @coder(%draft) at "other" :
// CHECK:        %last = flow.alternatives "coder votes" -> !flow.text
// CHECK:        flow.return %last : !flow.text

// APART:      flow.alternatives "draft votes"
// APART-NEXT:   "once"
// APART:        "vote of 2"
// APART:        "vote of 3"
// APART:      flow.alternatives "other votes"
// APART:      flow.alternatives "last votes"

// WORKFLOW: flow.alternatives "sub votes"
// WORKFLOW: flow.call @twice(%task) at "sub_vote2_1" :
// WORKFLOW: flow.call @twice(%task) at "sub_vote2_2" :
