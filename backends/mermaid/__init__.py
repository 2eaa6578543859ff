"""Workflows as Mermaid flowcharts."""
