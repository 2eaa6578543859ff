"""Every figure we quote comes from a script here: `python -m benchmarks.NAME --help`."""
