"""What is reported, how often, and what it costs where it is off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pilot import sentry
from pilot.errors import SettingsError
from pilot.settings import Settings
from tests.stack import clean_environment


def test_a_kind_of_error_is_sent_so_often_and_others_all_the_same() -> None:
    limits = sentry._Limits()
    sent = [limits.take(("worker", "a loop broke", "ValueError")) for _ in range(100)]
    assert sum(sent) == sentry.KIND_LIMIT
    assert all(sent[: sentry.KIND_LIMIT])
    assert limits.take(("worker", "another loop broke", "ValueError"))


def test_what_it_remembers_is_bounded() -> None:
    limits = sentry._Limits()
    for number in range(3 * sentry.MAX_KINDS):
        assert limits.take((f"logger-{number}",))
    assert len(limits._kinds) == sentry.MAX_KINDS


def test_an_event_of_any_origin_loses_what_may_be_data() -> None:
    frame = {"function": "f", "vars": {"prompt": "'secret words'"}}
    event = {
        "level": "error",
        "request": {"data": "secret words"},
        "breadcrumbs": {"values": [{"message": "secret words"}]},
        "extra": {"task": "secret words"},
        "threads": {"values": []},
        "exception": {
            "values": [
                {"type": "ValueError", "value": "secret words", "stacktrace": {"frames": [frame]}},
                {"type": "AttributeError", "value": "'int' object has no attribute 'x'"},
            ]
        },
    }
    kept = sentry._harmless(event, {})  # type: ignore[arg-type]
    assert "secret words" not in str(kept)
    first, second = kept["exception"]["values"]
    assert (first["type"], first["stacktrace"]["frames"]) == ("ValueError", [{"function": "f"}])
    assert second["value"] == "'int' object has no attribute 'x'"


def test_a_bad_dsn_is_named() -> None:
    with pytest.raises(SettingsError, match="SENTRY_DSN"):
        sentry.init(Settings(_env_file=None, sentry_dsn="https://no-key.example/1"), "worker")


def test_where_it_is_off_nothing_of_it_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from api.server import server; from pilot import sentry, tracing\n"
        "from pilot.settings import Settings\n"
        "settings = Settings(_env_file=None, pilot_env='development')\n"
        "sentry.init(settings, 'api'); tracing.init(settings, 'api'); server(settings)\n"
        "heavy = ('sentry_sdk', 'opentelemetry.sdk.trace', 'temporalio.contrib.opentelemetry')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=85,
        check=True,
    )
    assert done.stdout.strip() == "[]"
