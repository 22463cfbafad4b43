"""Figures of πlot, each a ratio of paired runs in one process: see docs/benchmarks.md."""
