// RUN: flowir-opt %s -p 'react-to-plan{trace="%S/Inputs/market-cap.jsonl"}' | filecheck %s

plan.tool @search(query: text) pure
plan.tool @ratio(a: number, b: number) pure

// CHECK:      plan.tool @search(query: text) pure
// CHECK:      plan.tool @post(text?: any)
// CHECK-NEXT: plan.plan @recorded {
// CHECK-NEXT:   %t1 = plan.task 1 @search {query = "\"market cap of Apple\""}
// CHECK-NEXT:   %t2 = plan.task 2 @search {query = "\"market cap of Nvidia\""}
// CHECK-NEXT:   %t3 = plan.task 3 @ratio(%t1, %t2) {a = "${1[\"market cap\"]}", b = "${2[\"market cap\"]}"}
// What a call has from an observation, and not from the question, keeps it behind that one.
// CHECK-NEXT:   plan.replan "task 4: '1.0797' in it may be of the result of task 3"
// CHECK-NEXT:   %t4 = plan.task 4 @search(%t2) {query = "\"why is 1.0797 the ratio for ${2[\\\"company\\\"]}\""}
// CHECK-NEXT:   %t5 = plan.task 5 @search {query = "\"who leads Cupertino Inc.\""}
// CHECK-NEXT:   plan.replan "@post is not declared pure"
// CHECK-NEXT:   %t6 = plan.task 6 @post {text = "\"done\""}
// CHECK-NEXT:   plan.join
// CHECK-NEXT: } attributes {plan.assumed = ["task 2 has 'cap' from the question, not from the result of task 1", "@post is not declared pure, so its calls keep their order"]}

// RUN: not flowir-opt %s -p 'react-to-plan{trace="%S/Inputs/nothing.jsonl"}' 2>&1 | filecheck %s --check-prefix=ABSENT
// RUN: not flowir-opt %s -p 'react-to-plan{trace="%S/Inputs/prices.csv"}' 2>&1 | filecheck %s --check-prefix=OTHER
// ABSENT: react-to-plan: trace {{.*}}nothing.jsonl cannot be read
// OTHER: prices.csv: line 1: no JSON
