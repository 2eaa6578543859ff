"""Engines: what serves calls in batches, how long that takes, and how much fits."""
