"""The lines that a process logs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from activities.scrub import LogScrubber
from pilot import logs
from pilot.settings import Settings


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written after `logs.configure(settings, written)`; the root logger is restored."""
    root = logging.getLogger()
    handlers, level, factory = root.handlers, root.level, logging.getLogRecordFactory()
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    logging.setLogRecordFactory(factory)


def settings(**fields: Any) -> Settings:
    return Settings(_env_file=None, **fields)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_a_line_has_the_ids_of_what_it_is_logged_in(written: io.StringIO) -> None:
    logs.configure(settings(pilot_env="production"), written)
    log = logging.getLogger("some.library")

    async def deep() -> None:
        await asyncio.to_thread(log.warning, "two\nlines, %s", "ünïcode")

    with logs.bound(request_id="r1"), logs.bound(execution_id="e1", node_id=None, attempt=2):
        await asyncio.gather(asyncio.create_task(deep()))
    log.error("outside")
    inside, outside = lines(written)
    assert inside["message"] == "two\nlines, ünïcode"
    assert (inside["level"], inside["logger"]) == ("warning", "some.library")
    assert inside["time"].endswith("Z")
    assert (inside["request_id"], inside["execution_id"], inside["attempt"]) == ("r1", "e1", 2)
    assert "node_id" not in inside
    assert "request_id" not in outside


def test_a_workflows_line_names_its_execution(written: io.StringIO) -> None:
    logs.configure(settings(pilot_env="production"), written)
    told = {"workflow_id": "execution-7", "run_id": "run", "workflow_type": "InterpretGraph"}
    logging.getLogger("temporalio.workflow").warning("w", extra={"temporal_workflow": told})
    [line] = lines(written)
    assert (line["execution_id"], line["temporal_run_id"]) == ("7", "run")


def test_an_exception_is_a_field_of_its_line(written: io.StringIO) -> None:
    logs.configure(settings(pilot_log_format="JSON"), written)
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    [line] = lines(written)
    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: bad")


@pytest.mark.parametrize("format", ["json", "text"])
def test_secrets_stay_out_in_either_form(written: io.StringIO, format: str) -> None:
    logs.configure(settings(pilot_log_format=format), written)
    scrubber = LogScrubber()
    scrubber.install()
    secret = "sk-0123456789"
    scrubber.watch({"KEY": secret})
    try:
        raise ValueError("it was " + secret)
    except ValueError:
        logging.getLogger("x").exception("sent %s", secret)
    assert "0123" not in written.getvalue()
    assert written.getvalue().count("[secret KEY]") == 2


def test_development_reads_as_text_and_a_users_id_makes_no_line(written: io.StringIO) -> None:
    logs.configure(settings(pilot_env="development"), written)
    with logs.bound(user_id="eve\nERROR forged"):
        logging.getLogger("x").info("hello")
    [line] = written.getvalue().splitlines()
    assert line.endswith("INFO x: hello [user_id=eve?ERROR forged]")


def test_the_level_is_the_operators(written: io.StringIO) -> None:
    logs.configure(settings(pilot_log_level="WARNING"), written)
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("loud")
    assert [line["message"] for line in lines(written)] == ["loud"]
