// What passes make of a plan: its planner and joiner are decisions like any others.
// RUN: flowir-opt %s -p flow-space-stats 2>&1 >/dev/null | filecheck %s --check-prefix=STATS
// RUN: flowir-opt %s -p 'flow-bounds{timeout=10}' | filecheck %s --check-prefix=BOUNDS
// RUN: flowir-opt %s --dse='draws=20 scenarios=16' --profile %S/Inputs/plan.csv --prices %S/Inputs/prices.csv | filecheck %s --check-prefix=DSE
// RUN: flowir-opt %s --dse='draws=20 scenarios=16' --profile %S/Inputs/plan.csv --prices %S/Inputs/prices.csv | flowir-opt -p 'flow-select{max-latency=6 profile="%S/Inputs/plan.csv" prices="%S/Inputs/prices.csv"}' | filecheck %s --check-prefix=SELECT
// RUN: flowir-opt %s -p 'canonicalize,cse,dce' | filecheck %s --check-prefix=DCE
// RUN: flowir-opt %s -p 'flow-self-consistency{agent=joiner n=3}' | filecheck %s --check-prefix=VOTE

flow.agent @planner prompt "{tools} {question} {history}" space <models = ["small", "large"]>
flow.agent @joiner prompt "{question} {history}" space <models = ["small", "large"]> baseline <"large">
flow.tool @search impl "web:search" takes (query: text) effect reads latency 0.5
flow.tool @buy impl "shop:buy" takes (what: text)

flow.workflow @w(%question: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search] max_replans 1 max_tasks 4 -> !flow.text
    expects <width = {2: 0.5, 3: 0.5}, replan = 0.2>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %question, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  %idle = flow.plan tools [@search] at "idle" -> !flow.text
    planner(%tools, %history) {
      flow.yield %tools : !flow.text
    }
    joiner(%history) {
      flow.yield %history : !flow.text
    }
  %kept = flow.plan tools [@search, @buy] at "kept" -> !flow.text
    planner(%tools, %history) {
      flow.yield %tools : !flow.text
    }
    joiner(%history) {
      flow.yield %history : !flow.text
    }
  flow.return %answer : !flow.text
}

// STATS:      @w: 4 compiled workflows
// STATS-NEXT:   planner: 2 configurations
// STATS-NEXT:   joiner: 2 configurations

// Two plans at most, each of two calls; of those that are not called by a model, tools alone.
// BOUNDS: dse.worst = #dse.worst<calls = 4, seconds = {{.*}}>

// DSE: baseline
// DSE: flow.call @planner{{.*}}dse.configs = [#dse.config<"small">, #dse.config<"large">, #dse.config<"small">, #dse.config<"large">]
// DSE: flow.call @joiner{{.*}}dse.configs = [#dse.config<"small">, #dse.config<"small">, #dse.config<"large">, #dse.config<"large">]

// SELECT:      %answer = flow.plan tools [@search] max_replans 1 max_tasks 4 at "answer" -> !flow.text attributes {dse.estimate = {{.*}}accuracy
// SELECT:        flow.call @planner{{.*}}config <"large">
// SELECT:        flow.call @joiner{{.*}}config <"small">

// A plan that nobody reads is dropped, unless one of its tools may change the world.
// DCE:     %answer = flow.plan
// DCE-NOT: "idle"
// DCE:     %kept = flow.plan tools [@search, @buy] at "kept"

// Where a joiner is made better by votes, what it says is voted on.
// VOTE:      joiner(
// VOTE-NEXT:   flow.alternatives "joiner votes"
// VOTE:        flow.join vote
