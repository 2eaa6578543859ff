"""The exact Pareto front of the mean-field model, without enumerating the space."""

from flowir.search.exact.front import ExactFront, exact_front

__all__ = ["ExactFront", "exact_front"]
