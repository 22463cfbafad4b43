"""Approvals: what waits for people, and their answers."""
