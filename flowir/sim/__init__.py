"""Simulation: a virtual clock, and a provider that answers as the cost model's scenarios say."""
