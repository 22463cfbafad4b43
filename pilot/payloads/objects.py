"""The objects of a payload store.

An object lies under its execution and is called by the SHA-256 of what it holds,
`runs/<digit>/<execution>/<hash>`: the same content written twice is one object, an attempt that
died leaves nothing that the next one does not use, and with an execution all of its objects go.
They are not shared between executions: hardly any payload is the same in two (each names its
execution), nobody has to count references, and nobody can find out by writing whether another
tenant has the same content.

An object is written once and never changed. What Temporal's codec encrypts is encrypted here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilot.errors import PayloadGoneError, PayloadStoreError, SettingsError
from pilot.payloads.place import Bucket, Folder, place_of
from pilot.settings import Settings

if TYPE_CHECKING:
    from obstore.store import LocalStore, S3Store

ROOT = "runs"
DIGITS = "0123456789abcdef"
"""An execution's id begins with one: what is listed at once is a sixteenth of all."""
ASKED = "ping"
"""What is asked for to see whether the store answers. There need be none."""
DELETED_AT_ONCE = 1_000

CONNECT_LIMIT = timedelta(seconds=3)
REQUEST_LIMIT = timedelta(seconds=60)
RETRIES = 2
RETRY_LIMIT = timedelta(seconds=3)
"""A workflow task may take 10 s in all. Who calls tries again, too."""
PART_BYTES = 5 * 1024 * 1024
"""What is larger is written in parts of so much, `PARTS_AT_ONCE` of which are held in memory."""
PARTS_AT_ONCE = 2

_KEY = re.compile(rf"{ROOT}/[0-9a-f]/([0-9a-f-]{{36}})/([0-9a-f]{{64}})")


class Objects:
    """All of it raises `PayloadStoreError` where the store does not answer or refuses."""

    def __init__(self, store: LocalStore | S3Store) -> None:
        self._store = store

    @classmethod
    def open(cls, settings: Settings) -> Objects | None:
        """That of the settings; None without one. Nothing is asked yet.

        Raises `SettingsError`.
        """
        match place_of(settings):
            case Folder(path):
                return cls(_folder(path))
            case Bucket() as bucket:
                return cls(_bucket(bucket))
        return None

    async def put(self, execution_id: str, data: bytes) -> str:
        """The key, once the object is there."""

        async def pieces() -> AsyncIterator[bytes]:
            yield data

        return await self.put_pieces(execution_id, hashlib.sha256(data).hexdigest(), pieces)

    async def put_pieces(
        self, execution_id: str, sha256: str, pieces: Callable[[], AsyncIterator[bytes]]
    ) -> str:
        """The same for an object that is given by the piece, and by its hash. What `pieces` raises
        is raised."""
        key = f"{_prefix(execution_id)}/{sha256}"
        with _answering():
            try:
                await self._store.head_async(key)
            except FileNotFoundError:
                await self._put(key, pieces())
        return key

    async def _put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        begun = bytearray()
        async for piece in pieces:
            begun += piece
            if len(begun) > PART_BYTES:
                break
        else:  # one request
            await self._store.put_async(key, begun)
            return

        async def all_of_them() -> AsyncIterator[bytes]:
            yield bytes(begun)
            async for piece in pieces:
                yield piece

        await self._store.put_async(
            key, all_of_them(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )

    async def get(self, key: str) -> bytes:
        """Raises `PayloadGoneError` where it is not there, or is not what was written."""
        with _answering():
            try:
                data = bytes(await (await self._store.get_async(key)).bytes_async())
            except FileNotFoundError:
                raise PayloadGoneError(f"the payload store has no object {key}") from None
        if hashlib.sha256(data).hexdigest() != key.rpartition("/")[2]:
            raise PayloadGoneError(f"the object {key} of the payload store was altered")
        return data

    async def part(self, key: str, begin: int, end: int) -> bytes:
        """The bytes from `begin` to before `end`, or to the object's own end. Nobody can see by
        them whether it was altered. Raises `PayloadGoneError`."""
        with _answering():
            try:
                return bytes(await self._store.get_range_async(key, start=begin, end=end))
            except FileNotFoundError:
                raise PayloadGoneError(f"the payload store has no object {key}") from None

    async def size(self, key: str) -> int:
        """In bytes. Raises `PayloadGoneError`."""
        with _answering():
            try:
                return (await self._store.head_async(key))["size"]
            except FileNotFoundError:
                raise PayloadGoneError(f"the payload store has no object {key}") from None

    async def forget(self, execution_id: str) -> int:
        """Deletes all objects of an execution. How many."""
        keys = [key async for key, _ in self._of(execution_id)]
        with _answering():
            for first in range(0, len(keys), DELETED_AT_ONCE):
                await self._store.delete_async(keys[first : first + DELETED_AT_ONCE])
        return len(keys)

    async def executions(self, digit: str) -> list[str]:
        """Ids of those executions with any object whose id begins with that digit."""
        with _answering():
            found = await self._store.list_with_delimiter_async(f"{ROOT}/{digit}/")
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"]]

    async def newest(self, execution_id: str) -> datetime | None:
        """When the newest of its objects was written; None: it has none."""
        return max([at async for _, at in self._of(execution_id)], default=None)

    async def ping(self) -> None:
        """One round trip."""
        with _answering(), suppress(FileNotFoundError):
            await self._store.head_async(ASKED)

    async def _of(self, execution_id: str) -> AsyncIterator[tuple[str, datetime]]:
        with _answering():
            async for page in self._store.list(f"{_prefix(execution_id)}/", chunk_size=1_000):
                for one in page:
                    yield one["path"], one["last_modified"]


def execution_in(key: str) -> str | None:
    """Whose object has that key; None: it is none of ours."""
    found = _KEY.fullmatch(key)
    return None if found is None else found[1]


def _prefix(execution_id: str) -> str:
    return f"{ROOT}/{execution_id[0]}/{execution_id}"


@contextmanager
def _answering() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 (few processes need it)

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise PayloadStoreError(
            f"the payload store does not answer ({_first_line(error)}): what is under way waits "
            "for it"
        ) from error


def _first_line(error: BaseException) -> str:
    """Without what a client adds for its developers."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _folder(path: Path) -> LocalStore:
    from obstore.store import LocalStore  # noqa: PLC0415

    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"PILOT_PAYLOADS: {path}: {error.strerror}") from None
    return LocalStore(path, automatic_cleanup=True)


def _bucket(bucket: Bucket) -> S3Store:
    from obstore.store import S3Store  # noqa: PLC0415

    given: Iterable[tuple[str, Any]] = (
        ("endpoint", bucket.endpoint),
        ("region", bucket.region),
        ("access_key_id", bucket.key_id),
        ("secret_access_key", bucket.secret),
    )
    config = {name: value for name, value in given if value is not None}
    return S3Store(
        bucket.name,
        prefix=bucket.prefix,
        client_options={
            "allow_http": bool(bucket.endpoint and bucket.endpoint.startswith("http://")),
            "connect_timeout": CONNECT_LIMIT,
            "timeout": REQUEST_LIMIT,
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_LIMIT},
        **config,
    )
