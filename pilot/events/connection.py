"""Which bus a process uses, by its settings: loopback where PILOT_BUS_URL is set, else its own."""

from __future__ import annotations

from pilot.errors import SettingsError
from pilot.events.bus import Bus, InProcessBus, Outbound
from pilot.events.loopback import LoopbackHub, LoopbackPublisher
from pilot.settings import Settings


def open_bus(settings: Settings) -> Outbound:
    """A worker's end of the bus. It connects by itself when the API is there."""
    if settings.pilot_bus_url is None:
        return InProcessBus()
    return LoopbackPublisher(settings.pilot_bus_url, _token(settings))


async def serve_bus(settings: Settings) -> Bus:
    """The API's end of the bus. Raises `SettingsError` where its port is taken."""
    if settings.pilot_bus_url is None:
        return InProcessBus()
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
