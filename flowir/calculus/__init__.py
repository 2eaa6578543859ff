"""How success, calls, money and latency of single calls compose into those of a workflow."""
