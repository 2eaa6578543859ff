// RUN: flowir-opt %S/../../examples/aragog/self_refine.mlir -p flow-space-stats 2>&1 >/dev/null | filecheck %s --check-prefix=REFINE
// RUN: flowir-opt %S/../../examples/aragog/text_to_sql.mlir -p flow-space-stats 2>&1 >/dev/null | filecheck %s --check-prefix=SQL
// RUN: flowir-opt %S/../../examples/aragog/voting.mlir -p flow-space-stats 2>&1 >/dev/null | filecheck %s --check-prefix=VOTING
// RUN: flowir-opt %S/../../examples/aragog/decomposition.mlir -p flow-space-stats 2>&1 >/dev/null | filecheck %s --check-prefix=PARTS
// RUN: flowir-opt %S/../../examples/aragog/voting.mlir -p canonicalize,cse,dce | flowir-opt | filecheck %s --check-prefix=KEPT

// The configurations of the Aragog paper (arXiv 2511.20975): 27, 81, 243; ours has one decision for all solvers.
// REFINE: @self_refine: 27 compiled workflows
// SQL: @text_to_sql: 81 compiled workflows
// VOTING: @voting: 243 compiled workflows
// PARTS: @decomposition: 27 compiled workflows

// Four draws of one agent are four: no pass merges them.
// KEPT:      flow.call @voter(%question) as "1"
// KEPT-NEXT: flow.call @voter(%question) as "2"
// KEPT-NEXT: flow.call @voter(%question) as "3"
// KEPT-NEXT: flow.call @voter(%question) as "4"
