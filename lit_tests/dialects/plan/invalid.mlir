// RUN: flowir-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: no kind 'words'; there are any, text, integer, number, boolean, list, object
plan.tool @t(a: words)


// -----

// CHECK: plan.task 1: no plan.tool @missing is declared
plan.plan @p {
  %t1 = plan.task 1 @missing
  plan.join
}


// -----

// CHECK: plan.task 1: argument a is no value of a plan: 'no quotes'
plan.tool @t(a: text)
plan.plan @p {
  %t1 = plan.task 1 @t {a = "no quotes"}
  plan.join
}


// -----

// CHECK: plan.task 1: t wants text as 'a', not 3
plan.tool @t(a: text)
plan.plan @p {
  %t1 = plan.task 1 @t {a = "3"}
  plan.join
}


// -----

// CHECK: plan.task 2: its arguments refer to tasks 1, its operands are tasks none
plan.tool @t(a: text)
plan.plan @p {
  %t1 = plan.task 1 @t {a = "\"x\""}
  %t2 = plan.task 2 @t {a = "${1}"}
  plan.join
}


// -----

// CHECK: plan.plan @p: task 1 comes after task 2; number tasks upwards
plan.tool @t()
plan.plan @p {
  %t2 = plan.task 2 @t
  %t1 = plan.task 1 @t
  plan.join
}


// -----

// CHECK: plan.task terminates block
plan.tool @t()
plan.plan @p {
  %t1 = plan.task 1 @t
}

// -----

// CHECK: plan.parameter: no kind 'txt'; there are any, text, integer, number, boolean, list, object
plan.tool @t(query: txt)

// -----

// CHECK: plan.parameter: 'maybe'; write `required` or `optional`
"plan.tool"() <{sym_name = "t", parameters = [#plan.parameter<"query", "text", maybe>], latency = #builtin.float_data<0.0>, about = ""}> : () -> ()
