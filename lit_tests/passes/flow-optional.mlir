// RUN: flowir-opt %s -p 'flow-optional{site=format}' | flowir-opt | filecheck %s
// RUN: flowir-opt %s -p 'flow-optional{site=merged through=1}' | filecheck %s --check-prefix=THROUGH

flow.agent @writer prompt "{x}" space <models = ["small", "large"]>
flow.agent @merger prompt "{x} {y}" space <models = ["small", "large"]>
flow.agent @parser prompt "{x}" -> !flow.json parser "json" space <models = ["small", "large"]>
flow.agent @teller prompt "{x} {y} {z}" space <models = ["small", "large"]>
flow.tool @post impl "a.b:post"

flow.workflow @w(%task: !flow.text) -> !flow.text {
  %draft = flow.call @writer(%task) : (!flow.text) -> !flow.text
  %unread = flow.call @writer(%draft) : (!flow.text) -> !flow.text
  %merged = flow.call @merger(%task, %draft) : (!flow.text, !flow.text) -> !flow.text
  %parsed = flow.call @parser(%task) : (!flow.text) -> !flow.json
  %posted = flow.call @post(%task) : (!flow.text) -> !flow.text
  %told = flow.call @teller(optional %merged, optional %parsed, optional %posted) : (!flow.text, !flow.json, !flow.text) -> !flow.text
  %formatted = flow.call @writer(%told) at "format" : (!flow.text) -> !flow.text
  flow.return optional %formatted : !flow.text
}

// CHECK:      %formatted = flow.alternatives "format optional" -> !flow.text
// CHECK-NEXT:   "kept" {
// CHECK-NEXT:     %formatted_1 = flow.call @writer(%told) at "format" : (!flow.text) -> !flow.text
// CHECK-NEXT:     flow.yield %formatted_1 : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   "skipped" {
// CHECK-NEXT:     flow.yield %told : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT: flow.return optional %formatted : !flow.text

// THROUGH:      "skipped" {
// THROUGH-NEXT:   flow.yield %draft : !flow.text
// THROUGH:      flow.call @teller(optional %merged, optional %parsed, optional %posted) at "told"
