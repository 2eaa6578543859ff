"""Adaptive profiling: the calls come next that should improve the front most per dollar."""
