// RUN: flowir-opt %s -p plan-fuse | filecheck %s
// RUN: flowir-opt %s -p 'plan-fuse{most=2}' | filecheck %s --check-prefix=PAIRS

plan.tool @search(query: text) pure latency 1.0 attributes {plan.batch = @search_all}
plan.tool @search_all(queries: list) pure latency 1.0
plan.tool @slow(query: text) pure latency 1.0 attributes {plan.batch = @slow_all}
plan.tool @slow_all(queries: list) pure latency 3.0
plan.tool @add(a: number, b: number) pure attributes {plan.batch = @add_all}
plan.tool @add_all(pairs: list) pure
plan.tool @post(what: any)

plan.plan @p {
  %t1 = plan.task 1 @search {query = "\"a\""}
  %t2 = plan.task 2 @search {query = "\"b\""}
  %t3 = plan.task 3 @search(%t1) {query = "${1}"}
  %t4 = plan.task 4 @search {query = "\"c\""}
  %t5 = plan.task 5 @search(%t1) {query = "\"of ${1}\""}
  %t6 = plan.task 6 @slow {query = "\"a\""}
  %t7 = plan.task 7 @slow {query = "\"b\""}
  %t8 = plan.task 8 @add(%t1) {a = "1", b = "${1}"}
  %t9 = plan.task 9 @add {a = "1", b = "2"}
  %t10 = plan.task 10 @add {a = "3", b = "4"}
  %t11 = plan.task 11 @post(%t2, %t3, %t10) {what = "[${2.x}, ${3}, ${10}]"}
  plan.replan
  %t12 = plan.task 12 @search {query = "\"d\""}
  %t13 = plan.task 13 @post(%t4) {what = "\"it: ${4}\""}
  plan.join
}

// CHECK:      plan.plan @p {
// CHECK-NEXT:   %t1 = plan.task 1 @search_all {queries = "[\"a\", \"b\", \"c\"]"}
// CHECK-NEXT:   %t3 = plan.task 3 @search_all(%t1) {queries = "[\"${1[0]}\", \"of ${1[0]}\"]"}
// CHECK-NEXT:   %t6 = plan.task 6 @slow {query = "\"a\""}
// CHECK-NEXT:   %t7 = plan.task 7 @slow {query = "\"b\""}
// CHECK-NEXT:   %t8 = plan.task 8 @add(%t1) {a = "1", b = "${1[0]}"}
// CHECK-NEXT:   %t9 = plan.task 9 @add_all {pairs = "[{\"a\": 1, \"b\": 2}, {\"a\": 3, \"b\": 4}]"}
// CHECK-NEXT:   %t11 = plan.task 11 @post(%t1, %t3, %t9) {what = "[${1[1][\"x\"]}, ${3[0]}, ${9[1]}]"}
// CHECK-NEXT:   plan.replan
// CHECK-NEXT:   %t12 = plan.task 12 @search {query = "\"d\""}
// CHECK-NEXT:   %t13 = plan.task 13 @post(%t1) {what = "\"it: ${1[2]}\""}
// CHECK-NEXT:   plan.join

// PAIRS: plan.task 1 @search_all {queries = "[\"a\", \"b\"]"}
// PAIRS: plan.task 4 @search {query = "\"c\""}
