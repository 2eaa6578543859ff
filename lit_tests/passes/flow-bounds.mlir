// RUN: flowir-opt %s -p flow-bounds | filecheck %s
// RUN: flowir-opt %s -p 'flow-bounds{timeout=10 max-input-tokens=1000 max-output-tokens=100}' | filecheck %s --check-prefix=CAPPED
// RUN: flowir-opt %s -p 'flow-bounds{timeout=10 execution=sequential}' | filecheck %s --check-prefix=SEQUENTIAL
// RUN: flowir-opt %s -p 'flow-bounds{timeout=10 execution=langgraph}' | filecheck %s --check-prefix=STEPS
// RUN: flowir-opt %s -p 'flow-fuse-supersteps,flow-bounds{timeout=10 execution=langgraph}' | filecheck %s --check-prefix=FUSED

flow.agent @ask prompt "{x}" space <models = ["a", "b"]>
flow.agent @capped prompt "{x}" space <models = ["a"], params = {max_tokens = [20, 50]}>
flow.agent @judge prompt "{candidates}" space <models = ["a"]>
flow.agent @critic prompt "{x}" space <models = ["a"]>
flow.agent @route prompt "{x}" -> !flow.label space <models = ["a"]>
flow.agent @fixer prompt "{x} {feedback}" space <models = ["a"]>
flow.tool @tidy impl "m:tidy" effect pure latency 1.0
flow.tool @check impl "m:check" -> !flow.bool effect pure latency 1.0

// Five attempts and four checks, whose latency is known.
// CHECK-LABEL: @retry(%x: !flow.text) -> !flow.text attributes {dse.worst = #dse.worst<calls = 5>}
// CAPPED-LABEL: @retry(%x: !flow.text) -> !flow.text attributes {dse.worst = #dse.worst<calls = 5, input_tokens = 5000, output_tokens = 500, seconds = 54.0>}
flow.workflow @retry(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check max 5 -> !flow.text {
    %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  flow.return %f : !flow.text
}

// Two tiers and one check by an agent.
// CHECK-LABEL: @judged(%x: !flow.text) -> !flow.text attributes {dse.worst = #dse.worst<calls = 3>}
flow.workflow @judged(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @critic -> !flow.text {
    %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  flow.return %f : !flow.text
}

// As many checks as bodies.
// CHECK-LABEL: @refined(%x: !flow.text) -> !flow.text attributes {dse.worst = #dse.worst<calls = 6>}
flow.workflow @refined(%x: !flow.text) -> !flow.text {
  %r = flow.refine(%v, %f) from %x : !flow.text max 3 until @critic {
    %a = flow.call @fixer(%v, %f) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  flow.return %r : !flow.text
}

// As long as the list may be, not as it is assumed to be; all at once, or one after another.
// CHECK-LABEL: @mapped
// CHECK-SAME:  #dse.worst<calls = 8>
// CAPPED-LABEL: @mapped
// CAPPED-SAME:  seconds = 10.0>
// SEQUENTIAL-LABEL: @mapped
// SEQUENTIAL-SAME:  seconds = 80.0>
flow.workflow @mapped(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%x) in %xs : !flow.list<!flow.text> max 8 width 2 -> !flow.list<!flow.text> {
    %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  flow.return %m : !flow.list<!flow.text>
}

// The dearest case; and a diamond, whose critical path is three calls of four.
// CHECK-LABEL: @branched
// CHECK-SAME:  #dse.worst<calls = 5>
// CAPPED-LABEL: @branched
// CAPPED-SAME:  seconds = 40.0>
flow.workflow @branched(%x: !flow.text) -> !flow.text {
  %l = flow.call @route(%x) : (!flow.text) -> !flow.label
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" {
      %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    else {
      %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
      %c = flow.call @ask(%a) : (!flow.text) -> !flow.text
      %d = flow.call @ask(%a) : (!flow.text) -> !flow.text
      %s = flow.join select(%c, %d) by @judge : (!flow.text, !flow.text) -> !flow.text
      flow.yield %s : !flow.text
    }
  flow.return %b : !flow.text
}

// Tied choices are made once: three calls and no more, though each place alone could take two.
// CHECK-LABEL: @tied
// CHECK-SAME:  #dse.worst<calls = 3>
flow.workflow @tied(%x: !flow.text) -> !flow.text {
  %c = flow.alternatives "way" -> !flow.text
    "p" {
      %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    "q" {
      %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
      %b = flow.call @ask(%a) : (!flow.text) -> !flow.text
      flow.yield %b : !flow.text
    }
  %d = flow.alternatives "way" -> !flow.text
    "p" {
      %a = flow.call @ask(%c) : (!flow.text) -> !flow.text
      %b = flow.call @ask(%a) : (!flow.text) -> !flow.text
      flow.yield %b : !flow.text
    }
    "q" {
      %a = flow.call @ask(%c) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
  flow.return %d : !flow.text
}

// Where every configuration says how many tokens it may write, nobody need be asked.
// CHECK-LABEL: @capped_twice
// CHECK-SAME:  #dse.worst<calls = 2, output_tokens = 100>
flow.workflow @capped_twice(%x: !flow.text) -> !flow.text {
  %a = flow.call @capped(%x) : (!flow.text) -> !flow.text
  %b = flow.call @capped(%a) : (!flow.text) -> !flow.text
  flow.return %b : !flow.text
}

// Calls of workflows count as what they do, and stay calls.
// CHECK-LABEL: @calling
// CHECK-SAME:  #dse.worst<calls = 10>
// CHECK-NEXT:  flow.call @retry
flow.workflow @calling(%x: !flow.text) -> !flow.text {
  %a = flow.call @retry(%x) : (!flow.text) -> !flow.text
  %b = flow.call @retry(%a) : (!flow.text) -> !flow.text
  flow.return %b : !flow.text
}

// The check of one chain and the call of the other wait for each other, unless they are fused.
// STEPS-LABEL: @beside
// STEPS-SAME:  seconds = 20.0>
// FUSED-LABEL: @beside
// FUSED-SAME:  seconds = 11.0>
flow.workflow @beside(%x: !flow.text) -> !flow.list<!flow.text> {
  %a1 = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %a2 = flow.call @tidy(%a1) : (!flow.text) -> !flow.text
  %b1 = flow.call @tidy(%x) : (!flow.text) -> !flow.text
  %b2 = flow.call @ask(%b1) : (!flow.text) -> !flow.text
  %l = flow.join all(%a2, %b2) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  flow.return %l : !flow.list<!flow.text>
}
