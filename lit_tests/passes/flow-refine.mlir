// RUN: flowir-opt %s -p 'flow-refine{agent=coder critic=tests by=fixer max=1,3}' | flowir-opt | filecheck %s
// RUN: flowir-opt %s -p 'flow-refine{agent=writer critic=tests value=draft feedback=notes}' | filecheck %s --check-prefix=ITSELF

flow.agent @coder prompt "{task}" space <models = ["small", "large"]>
flow.agent @fixer prompt "{feedback} {attempt} {task}" space <models = ["small", "large"]>
flow.agent @careful prompt "{task} {value} {feedback} {style}" space <models = ["small", "large"]>
flow.agent @writer prompt "{notes} {draft}" -> !flow.json parser "json" space <models = ["small", "large"]>
flow.tool @tests impl "a.b:tests" -> !flow.bool effect pure accepts <right = 0.99, wrong = 0.2>

flow.workflow @w(%task: !flow.text) -> !flow.json {
  %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %out = flow.call @writer(%task, optional %draft) as "wide" : (!flow.text, !flow.text) -> !flow.json
  flow.return %out : !flow.json
}

// CHECK:      %draft = flow.alternatives "coder refinement" -> !flow.text
// CHECK-NEXT:   "once" {
// CHECK-NEXT:     %draft_1 = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text
// CHECK-NEXT:     flow.yield %draft_1 : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   "refined up to 1 time" {
// CHECK-NEXT:     %draft_2 = flow.call @coder(%task) at "draft_refine1_start" : (!flow.text) -> !flow.text
// CHECK-NEXT:     %refined = flow.refine(%value, %feedback) from %draft_2 : !flow.text max 1 until @tests(%task : !flow.text) at "draft_refine1" {
// CHECK-NEXT:       %mended = flow.call @fixer(%feedback, %value, %task) at "draft_refine1_body" : (!flow.text, !flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %mended : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     flow.yield %refined : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   "refined up to 3 times" {
// CHECK:          max 3 until @tests(%task : !flow.text) at "draft_refine3" {

// ITSELF: flow.alternatives "writer/wide refinement" -> !flow.json
// ITSELF: flow.call @writer(%task, optional %draft) at "out_refine3_start" as "wide" :
// ITSELF: flow.refine(%value, %feedback) from %{{.*}} : !flow.json max 3 until @tests(%task, %draft : !flow.text, !flow.text) at "out_refine3" {
// ITSELF-NEXT: flow.call @writer(%feedback, %value) at "out_refine3_body" as "wide" : (!flow.text, !flow.json) -> !flow.json
