"""Workflows a user can run, with synthetic observations; see README.md beside this file."""
