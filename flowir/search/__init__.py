"""The design space of a workflow, and its Pareto front."""
