// RUN: flowir-opt %s -p plan-critical-path | filecheck %s
// RUN: flowir-opt %s -p 'plan-critical-path{planner=0.5 joiner=1.0}' | filecheck %s --check-prefix=PLANNED

plan.tool @search(query: text) latency 1.0
plan.tool @sum(of: list) latency 0.25

plan.plan @p {
  %t1 = plan.task 1 @search {query = "\"a\""}
  %t2 = plan.task 2 @search(%t1) {query = "${1}"}
  %t3 = plan.task 3 @sum {of = "[1, 2]"}
  plan.replan
  %t4 = plan.task 4 @sum(%t2, %t3) {of = "[${2}, ${3}]"}
  plan.join
}

// CHECK: plan.task 1 @search {{.*}}{plan.times = {end = #builtin.float_data<1.0>, slack = #builtin.float_data<0.0>, start = #builtin.float_data<0.0>}}
// CHECK: plan.task 3 @sum {{.*}}slack = #builtin.float_data<1.75>
// CHECK: plan.task 4 @sum{{.*}}start = #builtin.float_data<2.0>
// CHECK: } attributes {plan.times = {end = #builtin.float_data<2.25>}}

// PLANNED: plan.task 1 @search {{.*}}start = #builtin.float_data<0.5>
// PLANNED: plan.task 3 @sum {{.*}}slack = #builtin.float_data<0.75>, start = #builtin.float_data<1.5>
// PLANNED: } attributes {plan.times = {end = #builtin.float_data<5.25>}}
