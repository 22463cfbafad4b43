"""Webhooks that waiting nodes are answered by."""
