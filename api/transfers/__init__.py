"""Workflows in from other formats, and out to them."""
