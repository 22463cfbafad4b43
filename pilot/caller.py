"""For a program whose workflows call graphs (`pilot.workflows`) that πlot's workers run.

    client = await Client.connect(address, plugins=[CallerPlugin()])
    await Worker(client, task_queue="mine", workflows=[Onboarding]).run()

Without encryption no plugin is needed. None of πlot's activities is imported here, so modules of
the program's may be called as they like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from temporalio.converter import DataConverter, DefaultPayloadConverter
from temporalio.plugin import SimplePlugin

from pilot.codec import encrypted
from pilot.converter import LeanPayloadConverter
from pilot.crypto import Keyring
from pilot.keys import payload_keyring
from pilot.payloads.driver import stored_apart
from pilot.payloads.objects import Objects
from pilot.payloads.sizes import Sizes
from pilot.settings import Settings
from pilot.temporal import data_converter

NO_STORE = Sizes()


class CallerPlugin(SimplePlugin):
    """The payloads' format and encryption, for a client and its workers. The keys are those of
    `settings`, or of the environment (`PILOT_ENCRYPTION_KEY`)."""

    def __init__(self, settings: Settings | None = None) -> None:
        keyring = payload_keyring(settings or Settings())
        super().__init__("pilot.CallerPlugin", data_converter=converter(keyring))


def converter(
    keyring: Keyring | None, objects: Objects | None = None, sizes: Sizes = NO_STORE
) -> Callable[[DataConverter | None], DataConverter]:
    """Makes a converter of the one that is there: its codec, its external storage and its failure
    converter stay, and a payload converter that is not Temporal's default."""

    def made(existing: DataConverter | None) -> DataConverter:
        return stored_apart(encrypted(_with_json(existing), keyring), objects, sizes)

    return made


def _with_json(existing: DataConverter | None) -> DataConverter:
    if existing is None:
        return data_converter
    if existing.payload_converter_class is DefaultPayloadConverter:
        return replace(existing, payload_converter_class=LeanPayloadConverter)
    return existing
