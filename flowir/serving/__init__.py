"""Serving a compiled workflow: each stage of each request is placed by what is seen of the load."""
