"""Workflows as graphs for Graphviz."""
