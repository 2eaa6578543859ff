// RUN: flowir-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: flow.plan (%answer): no tools, so there is nothing to plan; name one, as tools [@search]
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): a tool is named twice; name each once
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search, @search] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): max_replans -1; write 0 or more
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] max_replans -1 -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): max_tasks 0; write 1 or more
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] max_tasks 0 -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): a joiner finishes with text, not !flow.json
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.json
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan: write planner(%tools, %history)
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    planner(%tools) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan: write joiner(%history)
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history, %last) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: the joiner yields !flow.label, but what it writes is !flow.text
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.agent @kind prompt "{history}" -> !flow.label
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @kind(%history) : (!flow.text) -> !flow.label
      flow.yield %said : !flow.label
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: the joiner does not end in flow.yield; give what it writes
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = "flow.plan"() <{tools = [@search]}> ({
  ^plan(%tools: !flow.text, %history: !flow.text):
    "flow.yield"(%history) : (!flow.text) -> ()
  }, {
  ^join(%history: !flow.text):
    "test.termop"() : () -> ()
  }) : () -> !flow.text
  flow.return %q : !flow.text
}

// -----

// CHECK: the planner takes (tools, history), each a !flow.text
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = "flow.plan"() <{tools = [@search]}> ({
  ^plan(%tools: !flow.text):
    "flow.yield"(%tools) : (!flow.text) -> ()
  }, {
  ^join(%history: !flow.text):
    "flow.yield"(%history) : (!flow.text) -> ()
  }) : () -> !flow.text
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): unknown symbol @serach; declared here: @search
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@serach] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): @joiner is a flow.agent; a plan calls tools, so name a flow.tool
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@joiner] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): @search does not say what it takes, so plans that call it cannot be checked; add `takes (query: text)` to its flow.tool
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search"
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): a plan ends in join(), so no tool can have that name; rename it
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @join impl "web:search" takes ()
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@join] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan (%answer): no plan can call a tool named "2nd one"; use letters of ASCII, digits and _
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @"2nd one" impl "web:search" takes ()
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@"2nd one"] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.counts: 3, 2; write counts from 1 on, ascending, each once
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <width = {3: 0.5, 2: 0.5}>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.counts: 0; write counts from 1 on, ascending, each once
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <width = 0>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.counts: the chances sum to 0.7, not to 1
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <width = {2: 0.5, 3: 0.2}>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.counts: every chance must lie in [0, 1]
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <width = {2: 1.5, 3: -0.5}>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.counts: give a chance for every count, and one at least
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <depth = {}>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.plan_shape: replan wrong = 1.5 is no probability; it must lie in [0, 1]
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <replan = <right = 0.5, wrong = 1.5>>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: replan: give both `right` and `wrong`, or one number
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <replan = <right = 0.5>>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: unknown field 'widht', expected one of width, depth, right, replan
flow.agent @planner prompt "{tools} {question} {history}"
flow.agent @joiner prompt "{question} {history}"
flow.tool @search impl "web:search" takes (query: text)
flow.workflow @w(%q: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] -> !flow.text
    expects <widht = 3>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %q, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%q, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %q : !flow.text
}

// -----

// CHECK: flow.tool @search: two of the parameters it `takes` have one name; rename one
flow.tool @search impl "web:search" takes (query: text, query: text)

// -----

// CHECK: flow.tool @search: concurrency 0; write 1 or more, or leave it out
flow.tool @search impl "web:search" takes (query: text) concurrency 0

// -----

// CHECK: flow.tool @search: timeout 0.0 s; it must be more than zero seconds
flow.tool @search impl "web:search" takes (query: text) timeout 0.0

// -----

// CHECK: plan.parameter: no kind 'txt'; there are any, text, integer, number, boolean, list, object
flow.tool @search impl "web:search" takes (query: txt)
