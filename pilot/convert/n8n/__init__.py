"""n8n's workflow JSON, in."""

from __future__ import annotations

from pilot.convert.n8n.workflow import from_n8n

__all__ = ["from_n8n"]
