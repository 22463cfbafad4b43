"""Payload stores of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.s3_server import S3Server


@pytest.fixture
def s3() -> Iterator[S3Server]:
    server = S3Server(f"payloads-{uuid4()}")
    yield server
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The fields of `Settings`."""
    if request.param == "folder":
        return {"pilot_payloads": f"folder:{tmp_path / 'payloads'}"}
    server: S3Server = request.getfixturevalue("s3")
    return server.settings
