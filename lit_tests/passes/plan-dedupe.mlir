// RUN: flowir-opt %s -p plan-dedupe | filecheck %s

plan.tool @search(query: text) pure
plan.tool @post(what: text)
plan.tool @ratio(a: number, b: number) pure

plan.plan @p {
  %t1 = plan.task 1 @search {query = "\"a\""}
  %t2 = plan.task 2 @search {query = "'a'"}
  %t3 = plan.task 3 @search(%t2) {query = "\"of ${2}\""}
  %t4 = plan.task 4 @search(%t1) {query = "\"of ${1}\""}
  %t5 = plan.task 5 @ratio(%t3, %t4) {a = "${3}", b = "${4[0]}"}
  %t6 = plan.task 6 @post {what = "\"x\""}
  %t7 = plan.task 7 @post {what = "\"x\""}
  plan.replan "once more"
  %t8 = plan.task 8 @search {query = "\"a\""}
  plan.join
}

// CHECK:      plan.plan @p {
// CHECK-NEXT:   %t1 = plan.task 1 @search {query = "\"a\""}
// CHECK-NEXT:   %t3 = plan.task 3 @search(%t1) {query = "\"of ${1}\""}
// CHECK-NEXT:   %t5 = plan.task 5 @ratio(%t3) {a = "${3}", b = "${3[0]}"}
// CHECK-NEXT:   %t6 = plan.task 6 @post {what = "\"x\""}
// CHECK-NEXT:   %t7 = plan.task 7 @post {what = "\"x\""}
// CHECK-NEXT:   plan.replan "once more"
// CHECK-NEXT:   %t8 = plan.task 8 @search {query = "\"a\""}
// CHECK-NEXT:   plan.join
