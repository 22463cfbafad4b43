"""Temporal workflows: the interpreter of stored graphs. Deterministic, no I/O."""
