"""Workflows as plain asyncio: one readable Python file that needs only the standard library."""
