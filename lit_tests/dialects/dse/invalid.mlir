// RUN: flowir-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: dse.config: the model name is empty; write the provider's name
builtin.module attributes {x = #dse.config<"">} {}

// -----

// CHECK: dse.config: "top.p" is no identifier; use letters, digits and _, as in top_p
builtin.module attributes {x = #dse.config<"m", top.p = 1>} {}

// -----

// CHECK: 'budget' is given twice
builtin.module attributes {x = #dse.config<"m", budget = 1, budget = 2>} {}

// -----

// CHECK: 'temperature' is given twice
builtin.module attributes {x = #dse.config<"m", temperature = 0.0, temperature = 1.0>} {}

// -----

// CHECK: dse.space: no models; name at least one in `models = [...]`
builtin.module attributes {x = #dse.space<budgets = [1]>} {}

// -----

// CHECK: dse.space: model "m" is listed twice; put its budgets and parameters into one entry
builtin.module attributes {x = #dse.space<models = ["m", "m" {budgets = [1]}]>} {}

// -----

// CHECK: dse.space: parameter "temperature" of "m" has no values
builtin.module attributes {x = #dse.space<models = ["m"], params = {temperature = []}>} {}

// -----

// CHECK: dse.space: "budgets" of "m" lists a value twice
builtin.module attributes {x = #dse.space<models = ["m"], budgets = [1, 1]>} {}

// -----

// CHECK: dse.space: "top.p" is no identifier; use letters, digits and _, as in top_p
builtin.module attributes {x = #dse.space<models = ["m"], params = {top.p = [1.0]}>} {}

// -----

// CHECK: dse.space: `budget` is no sampling parameter; it has its own place
builtin.module attributes {x = #dse.space<models = ["m"], params = {budget = [1]}>} {}

// -----

// CHECK: parameter 'n' is given twice
builtin.module attributes {x = #dse.space<models = ["m"], params = {n = [1], n = [2]}>} {}

// -----

// CHECK: unknown field 'modells', expected one of models, budgets, params
builtin.module attributes {x = #dse.space<modells = ["m"]>} {}

// -----

// CHECK: field 'models' is given twice
builtin.module attributes {x = #dse.space<models = ["m"], models = ["n"]>} {}

// -----

// CHECK: dse.estimate: the interval [0.9, 0.1] is upside down
builtin.module attributes {x = #dse.estimate<0.5 [0.9, 0.1]>} {}

// -----

// CHECK: dse.estimate: inf is not a finite number
builtin.module attributes {x = #dse.estimate<0.5 [0.0, 1.0e999]>} {}

// -----

// CHECK: dse.point 3: p_non_dominated = 1.5 is no probability; it must lie in [0, 1]
builtin.module attributes {x = #dse.point<3, p_non_dominated = 1.5>} {}

// -----

// CHECK: dse.point 0: "a.b" is no identifier; use letters, digits and _, as in top_p
builtin.module attributes {x = #dse.point<0, a.b = 0.5 [0.4, 0.6]>} {}

// -----

// CHECK: #dse.unused should be of base attribute dse.point
builtin.module attributes {x = #dse.front<"h", {}, [#dse.unused]>} {}

// -----

// CHECK: dse.front: point 1 stands at place 0; points are numbered from 0 in order
builtin.module attributes {x = #dse.front<"h", {}, [#dse.point<1>]>} {}

// -----

// CHECK: dse.worst: "a.b" is no identifier; use letters, digits and _, as in top_p
builtin.module attributes {x = #dse.worst<a.b = 1>} {}
