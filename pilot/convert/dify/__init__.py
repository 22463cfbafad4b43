"""Dify's DSL (versions 0.1 to 0.4), in: workflows and chatflows."""

from __future__ import annotations

from pilot.convert.dify.app import from_dify

__all__ = ["from_dify"]
