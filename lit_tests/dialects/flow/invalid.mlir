// RUN: flowir-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: flow.agent @a: the prompt template does not read: unpaired '}' at character 2 ('}'): write {name} for a variable and double a brace that is text
flow.agent @a prompt "x }"

// -----

// CHECK: flow.agent @a: unknown parser "yaml"; use one of text, code, json, lines, label
flow.agent @a prompt "{x}" parser "yaml"

// -----

// CHECK: flow.tool @t: impl "tools.run" is not of the form "package.module:function"
flow.tool @t impl "tools.run"

// -----

// CHECK: flow.tool @t: latency -1.0 s; it must be zero or more seconds
flow.tool @t impl "tools:run" latency -1.0

// -----

// CHECK: flow.tool @t: it `accepts`, so it gives a verdict, not !flow.json; write -> !flow.bool
flow.tool @t impl "tools:run" -> !flow.json accepts <right = 0.9, wrong = 0.1>

// -----

// CHECK: flow.accepts: wrong = 1.5 is no probability; it must lie in [0, 1]
flow.tool @t impl "tools:run" -> !flow.bool accepts <right = 0.9, wrong = 1.5>

// -----

// CHECK: accepts: `wrong` is missing; give the chance that it accepts a wrong value
flow.tool @t impl "tools:run" -> !flow.bool accepts <right = 0.9>

// -----

// CHECK: flow.join (%j): nothing to join; give at least one operand
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join vote() : () -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `by @agent` belongs to `select`, and `select` needs it
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join select(%x) : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join @a (%j): `by @agent` belongs to `select`, and `select` needs it
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join vote(%x) by @a : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `key @tool` belongs to `vote`: it gives the label to count
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join all(%x) key @k : (!flow.text) -> !flow.list<!flow.text>
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `as` and `config` are for the agent of `select` or `until`; remove them
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join vote(%x) as "g" : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): operands of different types: !flow.text, !flow.list<!flow.text>; make them one type
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %l = flow.join all(%x) : (!flow.text) -> !flow.list<!flow.text>
  %j = flow.join vote(%x, %l) : (!flow.text, !flow.list<!flow.text>) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `all` of !flow.text gives !flow.list<!flow.text>, not !flow.text
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join all(%x) : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `concat` joins !flow.text, not !flow.list<!flow.text>
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %l = flow.join all(%x) : (!flow.text) -> !flow.list<!flow.text>
  %j = flow.join concat(%l) : (!flow.list<!flow.text>) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join: expected a type such as (!flow.text) -> !flow.text
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = flow.join vote(%x) : !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): 2 labels for 1 regions; give each its own
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = "flow.branch"(%l) <{labels = ["p", "q"], regionSegmentSizes = array<i32: 1, 0>}> ({
    flow.yield %x : !flow.text
  }) : (!flow.label) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch at "kind": a label stands twice among p, p; rename or merge
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label at "kind" -> !flow.text
    "p" {
      flow.yield %x : !flow.text
    }
    "p" {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): case "p" has 1 block arguments, but is given 0; values from outside are used directly
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = "flow.branch"(%l) <{labels = ["p"], regionSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%y: !flow.text):
    flow.yield %y : !flow.text
  }) : (!flow.label) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): no cases; give at least one label or `else`
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): the `else` case yields !flow.label, but the result is !flow.text
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    else {
      flow.yield %l : !flow.label
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): 2 weights for 1 cases; give one each
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = "flow.branch"(%l) <{labels = ["p"], weights = [#builtin.float_data<0.5>, #builtin.float_data<0.5>], regionSegmentSizes = array<i32: 1, 0>}> ({
    flow.yield %x : !flow.text
  }) : (!flow.label) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): weight 1.5 is no probability; it must lie in [0, 1]
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" weight 1.5 {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): the weights sum to 0.9; they must sum to 1
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" weight 0.5 {
      flow.yield %x : !flow.text
    }
    else weight 0.4 {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch: give `weight` on every case or on none
flow.workflow @w(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" weight 0.5 {
      flow.yield %x : !flow.text
    }
    else {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.fallback @t (%f): max 0 never runs; give `max 1` or more
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @t max 0 -> !flow.text {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.fallback @t (%f): `max N` repeats the first tier, with at most one `else` after it
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @t max 2 -> !flow.text {
      flow.yield %x : !flow.text
    } else {
      flow.yield %x : !flow.text
    } else {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.fallback @t (%f): tier 2 does not end in flow.yield; give the value of the region
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @t -> !flow.text {
      flow.yield %x : !flow.text
    } else {
      %y = flow.call @t(%x) : (!flow.text) -> !flow.bool
      "test.termop"() : () -> ()
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.refine @t (%r): max 0 never refines; give `max 1` or more
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %r = flow.refine(%v, %f) from %x : !flow.text max 0 until @t {
    flow.yield %v : !flow.text
  }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.refine: expected `max N`; loops are always bounded
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %r = flow.refine(%v, %f) from %x : !flow.text until @t {
    flow.yield %v : !flow.text
  }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.refine @t (%r): the body takes (value, feedback) of !flow.text, !flow.text and gives the value
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %r = "flow.refine"(%x) <{until = @t, bound = #builtin.int<1>}> ({
  ^bb0(%v: !flow.text):
    flow.yield %v : !flow.text
  }) : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.map (%m): max 0 maps nothing; give `max 1` or more
flow.workflow @w(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%i) in %xs : !flow.list<!flow.text> max 0 -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  flow.return %xs : !flow.list<!flow.text>
}

// -----

// CHECK: flow.map (%m): width 5 lies outside 1 … max 4
flow.workflow @w(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%i) in %xs : !flow.list<!flow.text> max 4 width 5 -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  flow.return %xs : !flow.list<!flow.text>
}

// -----

// CHECK: flow.map: expected `max N`; maps are always bounded
flow.workflow @w(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%i) in %xs : !flow.list<!flow.text> -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  flow.return %xs : !flow.list<!flow.text>
}

// -----

// CHECK: flow.map: expected a !flow.list to go through, got !flow.text
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %m = flow.map(%i) in %x : !flow.text max 4 -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.map (%m): the body takes one item of type !flow.text
flow.workflow @w(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = "flow.map"(%xs) <{bound = #builtin.int<4>}> ({
  ^bb0(%i: !flow.label):
    flow.yield %i : !flow.label
  }) : (!flow.list<!flow.text>) -> !flow.list<!flow.label>
  flow.return %xs : !flow.list<!flow.text>
}

// -----

// CHECK: flow.map (%m): `mean` is allowed only where the list is the workflow's result
flow.workflow @w(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%i) in %xs : !flow.list<!flow.text> max 4 mean -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  %n = flow.map(%i) in %m : !flow.list<!flow.text> max 4 -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  flow.return %n : !flow.list<!flow.text>
}

// -----

// CHECK: flow.alternatives "s" (%c): no regions; give at least one, `"label" { … }`
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %c = flow.alternatives "s" -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.alternatives "s" (%c): a label stands twice among p, p; rename or merge
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %c = flow.alternatives "s" -> !flow.text
    "p" {
      flow.yield %x : !flow.text
    }
    "p" {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.alternatives "s" (%c): region "p" yields !flow.list<!flow.text>, but the result is !flow.text
flow.workflow @w(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %c = flow.alternatives "s" -> !flow.text
    "p" {
      flow.yield %xs : !flow.list<!flow.text>
    }
  flow.return %xs : !flow.list<!flow.text>
}

// -----

// CHECK: flow.workflow @w: a workflow gives exactly one result, not 2
flow.workflow @w(%x: !flow.text) -> (!flow.text, !flow.text) {
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.workflow @w: the arguments of the body differ from the signature
"flow.workflow"() <{sym_name = "w", function_type = (!flow.text) -> !flow.text}> ({
^bb0(%x: !flow.label):
  flow.return %x : !flow.label
}) : () -> ()

// -----

// CHECK: flow.workflow @w: the body does not end in flow.return
flow.workflow @w(%x: !flow.text) -> !flow.text {
  "test.termop"() : () -> ()
}

// -----

// CHECK: flow.workflow @w: it returns !flow.text, but the signature says !flow.label
flow.workflow @w(%x: !flow.text) -> !flow.label {
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @a (%y): it uses %z before it is made; order them by use
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @a(%z) : (!flow.text) -> !flow.text
  %z = flow.call @a(%y) : (!flow.text) -> !flow.text
  flow.return %z : !flow.text
}

// -----

// CHECK: flow.call @a at "s": the site name is taken by flow.call @a at "s"; rename one
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @a(%x) at "s" : (!flow.text) -> !flow.text
  %z = flow.call @a(%y) at "s" : (!flow.text) -> !flow.text
  flow.return %z : !flow.text
}

// -----

// CHECK: flow.alternatives "s" (%d): tied alternatives differ in their labels; give both the same, in order
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %c = flow.alternatives "s" -> !flow.text
    "p" {
      flow.yield %x : !flow.text
    }
  %d = flow.alternatives "s" -> !flow.text
    "q" {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @a (%y): @a::@b names something inside a symbol; name the symbol itself
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = "flow.call"(%x) <{callee = @a::@b}> : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @b at "here": unknown symbol @b; declared here: @a, @w
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @b(%x) at "here" : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join @w (%y): @w is a flow.workflow, expected flow.agent
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.join select(%x) by @w : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%y): @a is a flow.agent, expected flow.tool
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.join vote(%x) key @a : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @a (%y): the prompt of @a has 1 variables (x), the call gives 2
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @a(%x, %x) : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join @a (%y): the prompt of @a has 1 variables (x), the join gives its context and the list of candidates, together 2
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.join select(%x) by @a(%x : !flow.text) : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.fallback @a (%y): the prompt of @a has 1 variables (x), it is given its operands and the value, together 2
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.fallback until @a(%x : !flow.text) -> !flow.text {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @b (%y): the workflow takes (!flow.label), the call gives (!flow.text)
flow.agent @a prompt "{x}"
flow.workflow @b(%l: !flow.label) -> !flow.label {
  flow.return %l : !flow.label
}
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @b(%x) : (!flow.text) -> !flow.label
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @a (%y): it gives !flow.text, but the result is typed !flow.label
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @a(%x) : (!flow.text) -> !flow.label
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.fallback @j (%y): the checker gives !flow.json, not a verdict; declare it -> !flow.bool
flow.agent @a prompt "{x}"
flow.tool @j impl "tools:j" -> !flow.json
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.fallback until @j -> !flow.text {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.call @t (%y): `space` is for agents, and what is called is a flow.tool; remove it
flow.agent @a prompt "{x}"
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @t(%x) space <models = ["m"]> : (!flow.text) -> !flow.bool
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.fallback @t (%y): `as` is for agents, and what is called is a flow.tool; remove it
flow.agent @a prompt "{x}"
flow.tool @t impl "tools:run" -> !flow.bool
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.fallback until @t as "g" -> !flow.text {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.branch (%b): a model writes this label and may write anything: add an `else` case
flow.agent @r prompt "{x}" -> !flow.label
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %l = flow.call @r(%x) : (!flow.text) -> !flow.label
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" {
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}

// -----

// CHECK: workflows call each other in a circle (@w → @v → @w); use flow.refine or flow.map
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @v(%x) : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}
flow.workflow @v(%x: !flow.text) -> !flow.text {
  %y = flow.call @w(%x) : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: 'flow.call' expects ancestor op 'flow.workflow'
flow.agent @a prompt "{x}"
%x = "test.op"() : () -> !flow.text
%y = flow.call @a(%x) : (!flow.text) -> !flow.text

// -----

// CHECK: flow.call: expected a type such as (!flow.text) -> !flow.text
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @a(%x) : !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.agent: expected `prompt "…"`
flow.agent @a

// -----

// CHECK: flow.call @a (%y): optional = [1, 0] is no ascending list of some of its 1 operands; write `optional` before the operands that are meant
flow.agent @a prompt "{x}"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = "flow.call"(%x) <{callee = @a, optional = [#builtin.int<1>, #builtin.int<0>]}> : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `quorum` belongs to `vote`: it ends when the leader cannot be overtaken
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join first(%x, %y) quorum : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join @t (%j): `until @checker` belongs to `first`: candidates that race
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join vote(%x, %y) until @t : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): `after […]` belongs to `first`: candidates that race
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join vote(%x, %y) after [0.0, 1.0] : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): 2 delays for 1 operands; give one each
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join first(%x) after [0.0, 1.0] : (!flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): a delay of -1.0 s; it must be zero or more seconds
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join first(%x, %y) after [0.0, -1.0] : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): every operand is delayed; let one start at once with a delay of 0.0
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join first(%x, %y) after [2.0, 1.0] : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): one operand has two delays; it is made once, so give it one
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join first(%x, %x) after [0.0, 1.0] : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join (%j): 1 values of context, and nobody who reads them
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %j = "flow.join"(%x, %x) <{mode = #flow.join_mode first, operandSegmentSizes = array<i32: 1, 1>}> : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.join @b (%j): unknown symbol @b; declared here: @a, @t
flow.agent @a prompt "{x}"
flow.tool @t impl "m:f" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
flow.workflow @w(%x: !flow.text, %y: !flow.text) -> !flow.text {
  %j = flow.join first(%x, %y) until @b : (!flow.text, !flow.text) -> !flow.text
  flow.return %x : !flow.text
}

// -----

// CHECK: flow.primitive: no primitive 'thinking'; use embedding, ingestion, searching, reranking, item, tool
flow.tool @t impl "m:f" as thinking

// -----

// CHECK: flow.primitive: searching top 0; give 1 or more
flow.tool @t impl "m:f" as searching top 0
