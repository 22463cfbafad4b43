"""The formats by name."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What can be imported; Mermaid, and what πlot and React Flow have, can be exported."""

    PILOT = "pilot"
    REACTFLOW = "reactflow"
    DIFY = "dify"
    N8N = "n8n"
    MERMAID = "mermaid"


IMPORTED = (Format.PILOT, Format.REACTFLOW, Format.DIFY, Format.N8N)
EXPORTED = (Format.PILOT, Format.REACTFLOW, Format.MERMAID)
