"""What production refuses to start with, each in one line that shows no secret."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pilot.crypto import new_key
from pilot.errors import SettingsError
from pilot.keys import KEY_FILE
from pilot.settings import Settings
from pilot.tokens import ISSUER


def settings(folder: Path, **fields: Any) -> Settings:
    given = {
        "pilot_env": "production",
        "clerk_jwt_issuer": "https://example.clerk.accounts.dev",
        "pilot_data_dir": folder,
        **fields,
    }
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def test_a_sound_configuration_starts(tmp_path: Path) -> None:
    settings(
        tmp_path,
        pilot_encryption_key=new_key(),
        pilot_metrics_token="0123456789abcdef",
        backend_cors_origins=["https://canvas.example", "http://127.0.0.1:5173"],
        clerk_secret_key="sk_live_x",
    ).check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"clerk_jwt_issuer": None}, "CLERK_JWT_ISSUER"),
        ({"clerk_jwt_issuer": ISSUER}, "CLERK_JWT_ISSUER"),
        ({"debug": True}, "DEBUG"),
        ({"backend_cors_origins": ["*"]}, "BACKEND_CORS_ORIGINS"),
        ({"clerk_secret_key": "sk_test_hush"}, "CLERK_SECRET_KEY"),
        ({"pilot_metrics_token": "hush"}, "PILOT_METRICS_TOKEN"),
        ({"pilot_bus_token": "hush"}, "PILOT_BUS_TOKEN"),
        ({"pilot_encryption_key": "hush"}, "PILOT_ENCRYPTION_KEY"),
        ({"pilot_encryption_key": b64encode(b"hush" * 8).decode()}, "PILOT_ENCRYPTION_KEY"),
        ({"pilot_encryption_key": b64encode(bytes(32)).decode()}, "PILOT_ENCRYPTION_KEY"),
        (
            {"pilot_encryption_key": b64encode(b"a secret of exactly 32 chars! ok").decode()},
            "PILOT_ENCRYPTION_KEY",
        ),
    ],
)
def test_development_settings_are_refused(
    tmp_path: Path, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, **fields).check()
    message = str(caught.value)
    assert message.startswith(named)
    assert "\n" not in message
    assert "hush" not in message.removeprefix(named)


def test_the_development_stacks_own_key_is_refused(tmp_path: Path) -> None:
    own, other = new_key(), new_key()
    (tmp_path / KEY_FILE).write_text(own)
    settings(tmp_path, pilot_encryption_key=other).check()
    with pytest.raises(SettingsError, match="development"):
        settings(tmp_path, pilot_encryption_key=f"{other},{own}").check()


@pytest.mark.parametrize(
    "fields",
    [
        {"pilot_env": "development", "clerk_jwt_issuer": None, "debug": True},
        {"pilot_env": "development", "backend_cors_origins": ["*"]},
    ],
)
def test_development_starts_with_them(tmp_path: Path, fields: dict[str, Any]) -> None:
    settings(tmp_path, **fields).check()


@pytest.mark.parametrize(
    "origin", ["canvas.example", "https://canvas.example/", "https://Canvas.example", "null"]
)
def test_what_is_no_origin_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SettingsError, match="BACKEND_CORS_ORIGINS"):
        settings(tmp_path, backend_cors_origins=[origin]).check()


def test_several_workers_need_redis(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PILOT_API_WORKERS is 2, and REDIS_URL"):
        settings(tmp_path, pilot_api_workers=2).check()
    settings(tmp_path, pilot_api_workers=2, redis_url="redis://127.0.0.1/0").check()
