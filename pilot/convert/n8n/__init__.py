"""n8n's workflow JSON, in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilot.convert.document import Conversion, NotConvertibleError
from pilot.graph.spec import Specs


def from_n8n(body: Mapping[str, Any], specs: Specs) -> Conversion:
    raise NotConvertibleError("n8n")
