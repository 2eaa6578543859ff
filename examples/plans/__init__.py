"""Questions answered by a plan of tool calls: `python -m flowir.examples.plans.market_cap`."""
