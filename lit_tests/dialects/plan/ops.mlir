// RUN: flowir-opt %s | flowir-opt | filecheck %s
// RUN: flowir-opt %s --print-op-generic | flowir-opt | filecheck %s

plan.tool @search(query: text) pure latency 0.8 "finds a page"
plan.tool @ratio(a: number, b: number, digits?: integer) attributes {owner = "docs"}

plan.plan @p {
  %t1 = plan.task 1 @search {query = "\"Everest\""}
  %t2 = plan.task 2 @search(%t1) {query = "\"higher than ${1}\""}
  plan.replan "no \"heights\" yet"
  %t5 = plan.task 5 @ratio(%t2, %t1) {a = "${2[0].height}", b = "${1}"} attributes {note = 1 : i64}
  plan.join
}

// CHECK:      plan.tool @search(query: text) pure latency 0.8 "finds a page"
// CHECK-NEXT: plan.tool @ratio(a: number, b: number, digits?: integer) attributes {owner = "docs"}
// CHECK-NEXT: plan.plan @p {
// CHECK-NEXT:   %t1 = plan.task 1 @search {query = "\"Everest\""}
// CHECK-NEXT:   %t2 = plan.task 2 @search(%t1) {query = "\"higher than ${1}\""}
// CHECK-NEXT:   plan.replan "no \"heights\" yet"
// CHECK-NEXT:   %t5 = plan.task 5 @ratio(%t2, %t1) {a = "${2[0].height}", b = "${1}"} attributes {note = 1 : i64}
// CHECK-NEXT:   plan.join
// CHECK-NEXT: }
