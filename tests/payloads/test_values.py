"""Outputs that are kept apart from their rows: written once, read by the piece, and by nobody in
another's name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pilot.crypto import Keyring, new_key
from pilot.errors import PayloadGoneError, PayloadStoreError
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.payloads.objects import Objects
from pilot.payloads.values import MARK, PIECE_BYTES, ROW_BYTES, Kept, Values
from pilot.settings import Settings
from pilot.store.migrate import migrate
from pilot.store.open import open_store
from pilot.store.sql import SqlStore
from tests.ended import ran
from tests.s3_server import S3Server

KEY = new_key()
LARGE = {"text": "confidential é \u0000 " * 150_000, "number": 2**70, "half": "\ud800"}
"""3 MB, and what JSON can hold and few parsers do."""


def opened(fields: dict[str, Any], key: str | None) -> Values:
    given = {**fields, "pilot_encryption_key": key}
    return Values.open(Settings(_env_file=None, **given))  # type: ignore[call-arg]


@pytest.fixture(params=[None, KEY], ids=["plain", "sealed"])
def values(request: pytest.FixtureRequest, place: dict[str, Any]) -> Values:
    return opened(place, request.param)


async def read(values: Values, kept: Kept, *part: int) -> bytes:
    return b"".join([piece async for piece in values.read(kept, *part)])


async def test_every_part_of_a_value_is_read(values: Values) -> None:
    execution = str(uuid4())
    text = bytes(range(256)) * (PIECE_BYTES * 5 // 512) + b"end"
    kept = await values.keep(execution, text, "beginning")
    assert kept == await values.keep(execution, text, "beginning")
    assert kept.bytes == len(text)
    edges = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, len(text) - 1, len(text)]
    for begin in edges:
        for end in edges:
            if begin <= end:
                assert await read(values, kept, begin, end) == text[begin:end]
    assert await read(values, kept) == text


def finished(row: Any, output: Any, seq: int = 4) -> list[Event]:
    at = "2026-03-01T12:00:00Z"
    node = Event(EventType.NODE_SUCCEEDED, row.id, row.workflow_id, at, seq=seq, status="succeeded",
                 node_id="big", data={"type": "code", "output": output})  # fmt: skip
    end = Event(EventType.EXECUTION_SUCCEEDED, row.id, row.workflow_id, at, seq=seq + 1,
                status="succeeded", data={"output": output, "usage": {}})  # fmt: skip
    return [node, end]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        pilot_data_dir=tmp_path,
        pilot_payloads=f"folder:{tmp_path / 'p'}",
        pilot_encryption_key=KEY,
    )
    await migrate(settings.store_url)
    store = await open_store(settings)
    yield store
    await store.close()


async def open_row(store: Any) -> Any:
    from datetime import timedelta

    workflow = await store.create_workflow("ada", name="w", description="", graph={"nodes": []})
    return await ran(store, workflow, timedelta(0), ExecutionStatus.RUNNING)


async def test_a_row_has_a_preview_and_leads_to_the_whole(store: Any, tmp_path: Path) -> None:
    row = await open_row(store)
    await store.append_events(row.id, finished(row, LARGE, seq=3))
    found = await store.get_execution("ada", row.id)
    [node] = [one for one in await store.node_runs("ada", row.id) if one.node_id == "big"]
    assert found.output == node.output
    kept = Kept.of(found.output, row.id)
    assert kept is not None
    assert kept.bytes > ROW_BYTES
    assert kept.preview.startswith('{"text":"confidential')
    assert await store.values.whole(found.output, row.id) == LARGE
    assert await store.values.whole("small", row.id) == "small"

    # what watchers are shown again is as of any large output
    events = await store.events("ada", row.id)
    assert all(event.data["truncated"] for event in events[-2:])
    assert all("output" not in event.data for event in events[-2:])
    assert events[-1].data["preview"] == kept.preview
    # once, and sealed
    [file] = [path for path in (tmp_path / "p").rglob("*") if path.is_file()]
    assert b"confidential" not in file.read_bytes()

    await store.replace_events(row.id, finished(row, LARGE, seq=1))
    assert len([path for path in (tmp_path / "p").rglob("*") if path.is_file()]) == 1


async def test_what_fits_stays_in_its_row(store: Any) -> None:
    row = await open_row(store)
    text = "x" * (ROW_BYTES - 2)
    await store.append_events(row.id, finished(row, text, seq=3))
    assert (await store.get_execution("ada", row.id)).output == text


async def test_an_output_that_looks_like_a_reference_leads_to_nobody_elses(store: Any) -> None:
    theirs, hers = await open_row(store), await open_row(store)
    await store.append_events(theirs.id, finished(theirs, LARGE, seq=3))
    reference = (await store.get_execution("ada", theirs.id)).output
    await store.append_events(hers.id, finished(hers, reference, seq=3))
    found = (await store.get_execution("ada", hers.id)).output
    assert found == reference
    assert Kept.of(found, hers.id) is None
    assert await store.values.whole(found, hers.id) == reference
    for lie in (
        {MARK: 1},
        {MARK: {"key": "x"}},
        {MARK: {**reference[MARK], "bytes": "x"}},
        {MARK: {**reference[MARK], "bytes": -1}},
        {MARK: {**reference[MARK], "piece": 1 << 40}},
    ):
        assert Kept.of(lie, theirs.id) is None


async def test_a_sealed_value_cannot_be_altered(tmp_path: Path) -> None:
    values = opened({"pilot_payloads": f"folder:{tmp_path}"}, KEY)
    text = b"a" * PIECE_BYTES + b"b" * PIECE_BYTES
    kept = await values.keep(str(uuid4()), text, "")
    file = tmp_path / kept.key
    body = file.read_bytes()
    file.write_bytes(body[kept.piece :] + body[: kept.piece])
    with pytest.raises(PayloadGoneError):
        await read(values, kept)
    file.write_bytes(body[: kept.piece])
    with pytest.raises((PayloadGoneError, PayloadStoreError)):
        await read(values, kept)
    file.unlink()
    with pytest.raises(PayloadGoneError):
        await read(values, kept)
    other = Values(Objects.open(Settings(_env_file=None, pilot_payloads=f"folder:{tmp_path}")),  # type: ignore[call-arg]
                   Keyring.parse(new_key()))  # fmt: skip
    with pytest.raises(PayloadGoneError):
        await read(other, kept)


async def test_a_row_waits_for_a_payload_store_that_is_away(tmp_path: Path, s3: S3Server) -> None:
    """It is an outage like the database's: nothing is written in part."""
    settings = Settings(_env_file=None, pilot_data_dir=tmp_path, **s3.settings)  # type: ignore[call-arg]
    await migrate(settings.store_url)
    store = await open_store(settings)
    assert isinstance(store, SqlStore)
    row = await open_row(store)
    s3.stop()
    with pytest.raises(PayloadStoreError):
        await store.append_events(row.id, finished(row, LARGE, seq=3))
    assert await store.missing_from(row.id) == 3
    s3.start()
    await store.append_events(row.id, finished(row, LARGE, seq=3))
    found = await store.get_execution("ada", row.id)
    assert json.dumps(await store.values.whole(found.output, row.id)) == json.dumps(LARGE)
    await store.close()
