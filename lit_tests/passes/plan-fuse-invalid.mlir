// RUN: not flowir-opt %s -p plan-fuse 2>&1 | filecheck %s

plan.tool @search(query: text) pure attributes {plan.batch = @search_all}

// CHECK: plan.tool @search: plan.batch = @search_all; name a plan.tool, as plan.batch = @search_all
