// RUN: not flowir-opt %s --split-input-file -p plan-fuse 2>&1 | filecheck %s

plan.tool @search(query: text) pure attributes {plan.batch = @search_all}

// CHECK: plan.tool @search: plan.batch = @search_all; name a plan.tool, as plan.batch = @search_all

// -----

// CHECK: plan.tool @search: plan.batch: the tool and its batch must both be pure
plan.tool @search(query: text) attributes {plan.batch = @search_all}
plan.tool @search_all(queries: list) pure

// -----

// CHECK: plan.tool @search: plan.batch @search_all must take one parameter, a list
plan.tool @search(query: text) pure attributes {plan.batch = @search_all}
plan.tool @search_all(queries: list, how: text) pure
