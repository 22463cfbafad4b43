"""Which bus a process uses, by its settings: Redis where REDIS_URL is set, else loopback where
PILOT_BUS_URL is, else none."""

from __future__ import annotations

from pilot.errors import SettingsError
from pilot.events.bus import Bus, NoBus, Outbound
from pilot.events.loopback import LoopbackHub, LoopbackPublisher
from pilot.settings import Settings


def open_bus(settings: Settings) -> Outbound:
    """A worker's end of the bus. It connects by itself when the API is there. Raises
    `SettingsError` for a URL that is none."""
    if settings.redis_url is not None:
        from pilot.events.redis import RedisPublisher  # noqa: PLC0415 (8 MB, for some only)

        return RedisPublisher(settings.redis_url.get_secret_value())
    if settings.pilot_bus_url is None:
        return NoBus()
    return LoopbackPublisher(settings.pilot_bus_url, _token(settings))


async def serve_bus(settings: Settings) -> Bus:
    """The API's end of the bus. Raises `SettingsError` where its port is taken, and
    for a URL that is none; a Redis that is away is no reason not to start."""
    if settings.redis_url is not None:
        from pilot.events.redis import RedisBus  # noqa: PLC0415 (as above)

        return RedisBus(settings.redis_url.get_secret_value())
    if settings.pilot_bus_url is None:
        return NoBus()
    hub = LoopbackHub(settings.pilot_bus_url, _token(settings))
    try:
        await hub.start()
    except OSError as error:
        raise SettingsError(
            f"PILOT_BUS_URL: cannot listen on {settings.pilot_bus_url} ({error.strerror})"
        ) from error
    return hub


def _token(settings: Settings) -> str:
    token = settings.pilot_bus_token
    if token is None or not token.get_secret_value().strip():
        raise SettingsError("PILOT_BUS_TOKEN is not set, and PILOT_BUS_URL needs one.")
    return token.get_secret_value().strip()
