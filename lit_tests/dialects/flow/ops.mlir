// RUN: flowir-opt %s | flowir-opt | filecheck %s
// RUN: flowir-opt %s --print-op-generic | flowir-opt | filecheck %s
// RUN: xdsl-opt %s | filecheck %s

flow.agent @coder prompt "Complete this function.\n\n{task}"
  space <models = ["small", "large"]>
  baseline <"small">
flow.agent @thinker system "Be brief." prompt "{task}" metric "tests:exact"
  space <models = ["a" {budgets = [100, "high"]}, "b" {params = {temperature = [0.0, 0.7]}}, "c"]>
  baseline <"a", budget = "high", temperature = 0.5>
flow.agent @router prompt "{task}" -> !flow.label parser "label" space <models = ["a"], budgets = [1, 2], params = {top_p = [1.0], n = [1]}>
flow.agent @extractor prompt "\"{task}\" {{as JSON}}\t\\" -> !flow.json parser "json"
flow.agent @lister prompt "{task}" -> !flow.list<!flow.list<!flow.text>>
flow.agent @judge prompt "{task} {candidates}" attributes {owner = "docs"}
flow.agent @critic prompt "Is {value} right?" -> !flow.bool
flow.agent @fixer prompt "{value} {feedback}"
flow.tool @search impl "tools.web:search" effect reads latency 0.8
flow.tool @tests impl "tools:run" -> !flow.bool effect pure latency 0.05 accepts <right = 0.99, wrong = 0.2, persistence = 0.9>
flow.tool @lint impl "tools:lint" accepts <right = 1.0, wrong = 0.0>
flow.tool @key impl "tools:key" -> !flow.label effect pure attributes {owner = "docs"}

flow.workflow @sub(%t: !flow.text, %j: !flow.json) -> !flow.text {
  flow.return optional %t : !flow.text
}

flow.workflow @everything(%task: !flow.text) -> !flow.text attributes {owner = "docs"} {
  %a = flow.call @coder(%task) at "first" as "strong" space <models = ["large"]> config <"large"> attributes {note = 1 : i64} : (!flow.text) -> !flow.text
  %b = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %j = flow.call @extractor(%a) : (!flow.text) -> !flow.json
  %c = flow.call @sub(optional %b, %j) : (!flow.text, !flow.json) -> !flow.text
  %found = flow.call @search(%c) : (!flow.text) -> !flow.text
  %all = flow.join all(%a, %b) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  %any = flow.join any(%a) : (!flow.text) -> !flow.list<!flow.text>
  %cat = flow.join concat(%a, %found) : (!flow.text, !flow.text) -> !flow.text
  %vote = flow.join vote(%a, %b, %c) : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %keyed = flow.join vote(%a, %b) key @key : (!flow.text, !flow.text) -> !flow.text
  %pick = flow.join select(%a, %b) by @judge(%task : !flow.text) at "pick" as "final" config <"a"> : (!flow.text, !flow.text) -> !flow.text
  %most = flow.join vote(%a, %b, %c) quorum : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %told = flow.join vote(%a, %b) quorum key @key : (!flow.text, !flow.text) -> !flow.text
  %soon = flow.join first(%a, %b) at "race" : (!flow.text, !flow.text) -> !flow.text
  %hedge = flow.join first(%a, %b) until @tests(%task : !flow.text) after [0.0, 2.5] : (!flow.text, !flow.text) -> !flow.text
  %judged = flow.join first(%a, %b) until @critic as "strict" config <"a"> : (!flow.text, !flow.text) -> !flow.text
  %ys = flow.map(%x) in %all : !flow.list<!flow.text> max 8 width 3 at "each" -> !flow.list<!flow.text> {
    %y = flow.call @coder(%x) : (!flow.text) -> !flow.text
    flow.yield %y : !flow.text
  }
  %kept = flow.fallback until @tests(%task, %a : !flow.text, !flow.text) max 5 at "retry" -> !flow.text {
    %d = flow.call @coder(%task) : (!flow.text) -> !flow.text
    flow.yield %d : !flow.text
  } else {
    flow.yield %b : !flow.text
  }
  %cheap = flow.fallback until @critic as "strict" config <"a"> -> !flow.text {
    flow.yield %a : !flow.text
  } else {
    flow.yield %b : !flow.text
  } else {
    flow.yield %c : !flow.text
  }
  %best = flow.refine(%value, %feedback) from %kept : !flow.text max 3 until @lint(%task : !flow.text) at "loop" {
    %f = flow.call @fixer(%value, %feedback) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %f : !flow.text
  }
  %kind = flow.call @router(%task) : (!flow.text) -> !flow.label
  %s = flow.branch %kind : !flow.label at "by kind" -> !flow.text
    "easy \"one\"" weight 0.25 {
      flow.yield %best : !flow.text
    }
    "hard" weight 0.5 {
      %z = flow.alternatives "strategy" -> !flow.text
        "once" {
          flow.yield %pick : !flow.text
        }
        "voted" {
          flow.yield %vote : !flow.text
        }
      flow.yield %z : !flow.text
    }
    else weight 0.25 {
      flow.yield %cheap : !flow.text
    }
  flow.return %s : !flow.text
}

flow.workflow @mean(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.bool> {
  %ys = flow.map(%x) in %xs : !flow.list<!flow.text> max 4 mean -> !flow.list<!flow.bool> {
    %y = flow.call @tests(%x) : (!flow.text) -> !flow.bool
    flow.yield %y : !flow.bool
  }
  flow.return %ys : !flow.list<!flow.bool>
}

// CHECK:      builtin.module {
// CHECK-NEXT:   flow.agent @coder prompt "Complete this function.\n\n{task}"
// CHECK-NEXT:     space <models = ["small", "large"]>
// CHECK-NEXT:     baseline <"small">
// CHECK-NEXT:   flow.agent @thinker system "Be brief." prompt "{task}" metric "tests:exact"
// CHECK-NEXT:     space <models = ["a" {budgets = [100, "high"]}, "b" {params = {temperature = [0.0, 0.7]}}, "c"]>
// CHECK-NEXT:     baseline <"a", budget = "high", temperature = 0.5>
// CHECK-NEXT:   flow.agent @router prompt "{task}" -> !flow.label parser "label"
// CHECK-NEXT:     space <models = ["a"], budgets = [1, 2], params = {n = [1], top_p = [1.0]}>
// CHECK-NEXT:   flow.agent @extractor prompt "\"{task}\" {{\{\{}}as JSON}}\t\\" -> !flow.json parser "json"
// CHECK-NEXT:   flow.agent @lister prompt "{task}" -> !flow.list<!flow.list<!flow.text>>
// CHECK-NEXT:   flow.agent @judge prompt "{task} {candidates}" attributes {owner = "docs"}
// CHECK-NEXT:   flow.agent @critic prompt "Is {value} right?" -> !flow.bool
// CHECK-NEXT:   flow.agent @fixer prompt "{value} {feedback}"
// CHECK-NEXT:   flow.tool @search impl "tools.web:search" effect reads latency 0.8
// CHECK-NEXT:   flow.tool @tests impl "tools:run" -> !flow.bool effect pure latency 0.05 accepts <right = 0.99, wrong = 0.2, persistence = 0.9>
// CHECK-NEXT:   flow.tool @lint impl "tools:lint" accepts <right = 1.0, wrong = 0.0>
// CHECK-NEXT:   flow.tool @key impl "tools:key" -> !flow.label effect pure attributes {owner = "docs"}
// CHECK-NEXT:   flow.workflow @sub(%t: !flow.text, %j: !flow.json) -> !flow.text {
// CHECK-NEXT:     flow.return optional %t : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   flow.workflow @everything(%task: !flow.text) -> !flow.text attributes {owner = "docs"} {
// CHECK-NEXT:     %a = flow.call @coder(%task) at "first" as "strong" space <models = ["large"]> config <"large"> attributes {note = 1 : i64} : (!flow.text) -> !flow.text
// CHECK-NEXT:     %b = flow.call @coder(%task) : (!flow.text) -> !flow.text
// CHECK-NEXT:     %j = flow.call @extractor(%a) : (!flow.text) -> !flow.json
// CHECK-NEXT:     %c = flow.call @sub(optional %b, %j) : (!flow.text, !flow.json) -> !flow.text
// CHECK-NEXT:     %found = flow.call @search(%c) : (!flow.text) -> !flow.text
// CHECK-NEXT:     %all = flow.join all(%a, %b) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
// CHECK-NEXT:     %any = flow.join any(%a) : (!flow.text) -> !flow.list<!flow.text>
// CHECK-NEXT:     %cat = flow.join concat(%a, %found) : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %vote = flow.join vote(%a, %b, %c) : (!flow.text, !flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %keyed = flow.join vote(%a, %b) key @key : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %pick = flow.join select(%a, %b) by @judge(%task : !flow.text) at "pick" as "final" config <"a"> : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %most = flow.join vote(%a, %b, %c) quorum : (!flow.text, !flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %told = flow.join vote(%a, %b) quorum key @key : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %soon = flow.join first(%a, %b) at "race" : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %hedge = flow.join first(%a, %b) until @tests(%task : !flow.text) after [0.0, 2.5] : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %judged = flow.join first(%a, %b) until @critic as "strict" config <"a"> : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:     %ys = flow.map(%x) in %all : !flow.list<!flow.text> max 8 width 3 at "each" -> !flow.list<!flow.text> {
// CHECK-NEXT:       %y = flow.call @coder(%x) : (!flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %y : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     %kept = flow.fallback until @tests(%task, %a : !flow.text, !flow.text) max 5 at "retry" -> !flow.text {
// CHECK-NEXT:       %d = flow.call @coder(%task) : (!flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %d : !flow.text
// CHECK-NEXT:     } else {
// CHECK-NEXT:       flow.yield %b : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     %cheap = flow.fallback until @critic as "strict" config <"a"> -> !flow.text {
// CHECK-NEXT:       flow.yield %a : !flow.text
// CHECK-NEXT:     } else {
// CHECK-NEXT:       flow.yield %b : !flow.text
// CHECK-NEXT:     } else {
// CHECK-NEXT:       flow.yield %c : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     %best = flow.refine(%value, %feedback) from %kept : !flow.text max 3 until @lint(%task : !flow.text) at "loop" {
// CHECK-NEXT:       %f = flow.call @fixer(%value, %feedback) : (!flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:       flow.yield %f : !flow.text
// CHECK-NEXT:     }
// CHECK-NEXT:     %kind = flow.call @router(%task) : (!flow.text) -> !flow.label
// CHECK-NEXT:     %s = flow.branch %kind : !flow.label at "by kind" -> !flow.text
// CHECK-NEXT:       "easy \"one\"" weight 0.25 {
// CHECK-NEXT:         flow.yield %best : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:       "hard" weight 0.5 {
// CHECK-NEXT:         %z = flow.alternatives "strategy" -> !flow.text
// CHECK-NEXT:           "once" {
// CHECK-NEXT:             flow.yield %pick : !flow.text
// CHECK-NEXT:           }
// CHECK-NEXT:           "voted" {
// CHECK-NEXT:             flow.yield %vote : !flow.text
// CHECK-NEXT:           }
// CHECK-NEXT:         flow.yield %z : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:       else weight 0.25 {
// CHECK-NEXT:         flow.yield %cheap : !flow.text
// CHECK-NEXT:       }
// CHECK-NEXT:     flow.return %s : !flow.text
// CHECK-NEXT:   }
// CHECK-NEXT:   flow.workflow @mean(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.bool> {
// CHECK-NEXT:     %ys = flow.map(%x) in %xs : !flow.list<!flow.text> max 4 mean -> !flow.list<!flow.bool> {
// CHECK-NEXT:       %y = flow.call @tests(%x) : (!flow.text) -> !flow.bool
// CHECK-NEXT:       flow.yield %y : !flow.bool
// CHECK-NEXT:     }
// CHECK-NEXT:     flow.return %ys : !flow.list<!flow.bool>
// CHECK-NEXT:   }
// CHECK-NEXT: }
