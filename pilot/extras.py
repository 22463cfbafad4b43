"""The packages that only some installations need, and what is said where one is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pilot.errors import SettingsError

if TYPE_CHECKING:
    from pilot.settings import Settings

EXTRAS = {
    "supabase": "supabase",
    "redis": "redis",
    "sentry": "sentry_sdk",
    "otel": "opentelemetry.sdk",
}
"""The extras of `pyproject.toml`, each with the module that shows whether it is installed."""


def check(settings: Settings) -> None:
    """Raises `SettingsError` for a variable that asks for an extra which is not installed."""
    wanted = {
        "supabase": ("SUPABASE_URL", settings.uses_supabase),
        "redis": ("REDIS_URL", settings.redis_url is not None),
        "sentry": ("SENTRY_DSN", settings.sentry_dsn is not None),
        "otel": ("OTEL_EXPORTER_OTLP_ENDPOINT", settings.otel_exporter_otlp_endpoint is not None),
    }
    for extra, (variable, is_set) in wanted.items():
        if is_set and not _is_there(EXTRAS[extra]):
            raise SettingsError(
                f"{variable} is set, and what it needs is not installed: "
                f"pip install 'pilot-canvas[{extra}]'"
            )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False
