"""What production does not start with: settings that are for development."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilot import tokens
from pilot.crypto import HOW_TO_MAKE, Keyring
from pilot.errors import SettingsError
from pilot.keys import KEY_FILE

if TYPE_CHECKING:
    from pilot.settings import Settings

MIN_TOKEN_CHARS = 16
HOW_TO_MAKE_TOKEN = "openssl rand -hex 32"  # noqa: S105


def require_production(settings: Settings) -> None:
    """Raises `SettingsError`, which names the variable and never shows its value."""
    if settings.issuer is None:
        raise SettingsError(
            "CLERK_JWT_ISSUER is not set, and PILOT_ENV is production: "
            "nobody could sign in. Set it, or start the development stack with `pilot dev`."
        )
    if settings.issuer.rstrip("/") == tokens.ISSUER:
        raise SettingsError(
            "CLERK_JWT_ISSUER is the development issuer: name the issuer of your Clerk application."
        )
    if settings.debug:
        raise SettingsError(
            "DEBUG is on, and PILOT_ENV is production: answers would show tracebacks. Leave it out."
        )
    if "*" in settings.backend_cors_origins:
        raise SettingsError(
            "BACKEND_CORS_ORIGINS is `*`: name the canvas's origins, separated by commas."
        )
    secret = settings.clerk_secret_key
    if secret is not None and secret.get_secret_value().startswith("sk_test_"):
        raise SettingsError(
            "CLERK_SECRET_KEY is one of a Clerk development instance (sk_test_): production "
            "needs that of a production instance (sk_live_)."
        )
    for name in ("pilot_metrics_token", "pilot_bus_token"):
        token = getattr(settings, name)
        if token is not None and len(token.get_secret_value()) < MIN_TOKEN_CHARS:
            raise SettingsError(
                f"{name.upper()} is shorter than {MIN_TOKEN_CHARS} characters: "
                f"make one with `{HOW_TO_MAKE_TOKEN}`."
            )
    _require_random_keys(settings)


def _require_random_keys(settings: Settings) -> None:
    if settings.pilot_encryption_key is None:
        return
    ring = Keyring.parse(settings.pilot_encryption_key.get_secret_value())
    if not ring.is_random:
        raise SettingsError(
            "PILOT_ENCRYPTION_KEY is not random: its bytes repeat, or are a text. "
            f"Make one with `{HOW_TO_MAKE}`."
        )
    try:
        development = Keyring.parse((settings.pilot_data_dir / KEY_FILE).read_text().strip())
    except (OSError, SettingsError):
        return
    if ring.shares_a_key(development):
        raise SettingsError(
            "PILOT_ENCRYPTION_KEY is the development stack's own key, which lies in "
            f"PILOT_DATA_DIR: make one with `{HOW_TO_MAKE}`."
        )
