// RUN: flowir-opt %s | flowir-opt | filecheck %s
// RUN: flowir-opt %s --print-op-generic | flowir-opt | filecheck %s
// RUN: xdsl-opt %s | filecheck %s

flow.agent @planner prompt "Plan.\n{tools}\n{question}\n{history}" space <models = ["small", "large"]>
flow.agent @joiner prompt "Join.\n{question}\n{history}" space <models = ["small", "large"]>
flow.tool @search impl "web:search" takes (query: text, limit?: integer) effect reads latency 0.6 concurrency 4 timeout 10.0 about "finds pages"
flow.tool @ratio impl "web:ratio" takes (a: number, b: number) -> !flow.json effect pure

flow.workflow @w(%question: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search, @ratio] max_replans 2 at "solve" -> !flow.text
    expects <width = {2: 0.5, 3: 0.5}, depth = 2, right = 0.9, replan = <right = 0.1, wrong = 0.5>>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %question, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %answer : !flow.text
}

flow.workflow @plain(%question: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@ratio] max_tasks 8 -> !flow.text attributes {owner = "docs"}
    expects <replan = 0.25>
    planner(%tools, %history) {
      flow.yield %question : !flow.text
    }
    joiner(%history) {
      flow.yield %history : !flow.text
    }
  flow.return %answer : !flow.text
}

// CHECK:      builtin.module {
// CHECK-NEXT:   flow.agent @planner prompt "Plan.\n{tools}\n{question}\n{history}"
// CHECK-NEXT:     space <models = ["small", "large"]>
// CHECK-NEXT:   flow.agent @joiner prompt "Join.\n{question}\n{history}"
// CHECK-NEXT:     space <models = ["small", "large"]>
// CHECK-NEXT:   flow.tool @search impl "web:search" takes (query: text, limit?: integer) effect reads latency 0.6 concurrency 4 timeout 10.0 about "finds pages"
// CHECK-NEXT:   flow.tool @ratio impl "web:ratio" takes (a: number, b: number) -> !flow.json effect pure
// CHECK-NEXT:   flow.workflow @w(%question: !flow.text) -> !flow.text {
// CHECK-NEXT:     %answer = flow.plan tools [@search, @ratio] max_replans 2 at "solve" -> !flow.text
// CHECK-NEXT:       expects <width = {2: 0.5, 3: 0.5}, depth = 2, right = 0.9, replan = <right = 0.1, wrong = 0.5>>
// CHECK-NEXT:       planner(%tools, %history) {
// CHECK-NEXT:         %plan = flow.call @planner(%tools, %question, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:         flow.yield %plan : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:       joiner(%history_1) {
// CHECK-NEXT:         %said = flow.call @joiner(%question, %history_1) : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:         flow.yield %said : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:     flow.return %answer : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   flow.workflow @plain(%question: !flow.text) -> !flow.text {
// CHECK-NEXT:     %answer = flow.plan tools [@ratio] max_tasks 8 -> !flow.text attributes {owner = "docs"}
// CHECK-NEXT:       expects <width = 1, depth = 1, replan = 0.25>
// CHECK-NEXT:       planner(%tools, %history) {
// CHECK-NEXT:         flow.yield %question : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:       joiner(%history_1) {
// CHECK-NEXT:         flow.yield %history_1 : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:     flow.return %answer : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT: }
