"""The command lines: `flowir` and `flowir-opt`."""
