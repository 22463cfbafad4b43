"""Where the payload store is, by the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pilot.errors import SettingsError
from pilot.payloads.sizes import Sizes
from pilot.settings import Settings

OFF = "off"
FOLDER = "payloads"
"""In the data folder, where development keeps them."""


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path


@dataclass(frozen=True, slots=True)
class Bucket:
    """`endpoint`, `region` and the keys are None where the environment is to say (`AWS_…`, or the
    machine's own role)."""

    name: str
    prefix: str | None = None
    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = None


def place_of(settings: Settings) -> Folder | Bucket | None:
    """None: there is none. Raises `SettingsError`."""
    text = settings.pilot_payloads
    if text is None:
        return Folder(settings.pilot_data_dir / FOLDER) if settings.is_development else None
    if text.lower() == OFF:
        return None
    kind, colon, rest = text.partition(":")
    if kind == "folder" and colon and rest:
        return Folder(Path(rest))
    if kind == "s3":
        return _bucket(text, settings)
    raise SettingsError(
        f"PILOT_PAYLOADS: {text!r} is neither folder:/path nor s3://bucket/prefix nor off"
    )


def _bucket(text: str, settings: Settings) -> Bucket:
    url = urlsplit(text)
    if not url.netloc or url.query or "@" in url.netloc:
        raise SettingsError(
            "PILOT_PAYLOADS: write s3://bucket or s3://bucket/prefix; endpoint, region and keys "
            "have variables of their own"
        )
    endpoint = settings.pilot_payloads_endpoint
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise SettingsError("PILOT_PAYLOADS_ENDPOINT is no URL: write such as https://host")
    secret = settings.pilot_payloads_secret
    if (settings.pilot_payloads_key_id is None) != (secret is None):
        raise SettingsError(
            "PILOT_PAYLOADS_KEY_ID and PILOT_PAYLOADS_SECRET go together: set both, or neither."
        )
    return Bucket(
        url.netloc,
        url.path.strip("/") or None,
        endpoint,
        settings.pilot_payloads_region,
        settings.pilot_payloads_key_id,
        None if secret is None else secret.get_secret_value(),
    )


def sizes_of(settings: Settings) -> Sizes:
    """Raises `SettingsError`."""
    if place_of(settings) is None:
        return Sizes()
    return Sizes(
        payload=settings.pilot_payloads_max_mb * 1_000_000,
        apart=settings.pilot_payloads_from_kb * 1_024,
        keeps=True,
    )
