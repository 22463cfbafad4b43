"""What every payload store does, on a folder and on S3."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pilot.errors import PayloadGoneError, PayloadStoreError, SettingsError
from pilot.payloads.objects import PART_BYTES, Objects, execution_in
from pilot.payloads.place import Bucket, Folder, place_of, sizes_of
from pilot.payloads.sizes import Sizes
from pilot.settings import Settings
from tests.s3_server import SECRET, S3Server


def settings(**fields: Any) -> Settings:
    return Settings(_env_file=None, **fields)  # type: ignore[call-arg]


@pytest.fixture
def objects(place: dict[str, Any]) -> Objects:
    found = Objects.open(settings(**place))
    assert found is not None
    return found


async def test_what_is_put_is_got(objects: Objects) -> None:
    execution = str(uuid4())
    data = b"\0\xff" * 500_000
    key = await objects.put(execution, data)
    assert await objects.get(key) == data
    assert await objects.size(key) == len(data)
    assert execution_in(key) == execution
    await objects.ping()


async def test_a_large_object_is_written_in_parts_and_is_whole_or_not_there(
    objects: Objects,
) -> None:
    execution = str(uuid4())
    data = bytes(range(256)) * (PART_BYTES * 5 // 512) + b"end"
    fails = True

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 700_001):
            if fails and at > PART_BYTES * 2:
                raise ZeroDivisionError
            yield data[at : at + 700_001]

    sha256 = hashlib.sha256(data).hexdigest()
    with pytest.raises(ZeroDivisionError):
        await objects.put_pieces(execution, sha256, pieces)
    assert await objects.newest(execution) is None
    fails = False
    key = await objects.put_pieces(execution, sha256, pieces)
    assert await objects.get(key) == data
    assert await objects.put(execution, data) == key


async def test_the_same_content_is_one_object_in_an_execution_and_two_in_two(
    objects: Objects,
) -> None:
    ann, ben = str(uuid4()), str(uuid4())
    keys = await asyncio.gather(*(objects.put(ann, b"same") for _ in range(5)))
    assert len(set(keys)) == 1
    other = await objects.put(ben, b"same")
    assert other not in keys
    assert await objects.forget(ann) == 1
    assert await objects.get(other) == b"same"


async def test_an_execution_is_forgotten_with_all_of_its_objects(objects: Objects) -> None:
    ann = "0" + str(uuid4())[1:]
    ben = "0" + str(uuid4())[1:]
    keys = [await objects.put(ann, bytes([number])) for number in range(30)]
    kept = await objects.put(ben, b"kept")
    assert sorted(await objects.executions("0")) == sorted([ann, ben])
    newest = await objects.newest(ann)
    assert newest is not None
    assert abs(datetime.now(UTC) - newest) < timedelta(minutes=1)
    assert await objects.forget(ann) == 30
    assert await objects.forget(ann) == 0
    assert await objects.newest(ann) is None
    assert await objects.executions("0") == [ben]
    assert await objects.executions("1") == []
    with pytest.raises(PayloadGoneError):
        await objects.get(keys[0])
    with pytest.raises(PayloadGoneError):
        await objects.size(keys[0])
    assert await objects.get(kept) == b"kept"


async def test_an_object_that_was_altered_is_refused(tmp_path: Path) -> None:
    objects = Objects.open(settings(pilot_payloads=f"folder:{tmp_path}"))
    assert objects is not None
    key = await objects.put(str(uuid4()), b"as it was written")
    (tmp_path / key).write_bytes(b"as somebody left it")
    with pytest.raises(PayloadGoneError, match="altered"):
        await objects.get(key)


async def test_a_bucket_that_does_not_answer_is_told_without_its_keys(s3: S3Server) -> None:
    objects = Objects.open(settings(**s3.settings))
    assert objects is not None
    key = await objects.put(str(uuid4()), b"x")
    s3.stop()
    calls = (
        objects.put(str(uuid4()), b"y"),
        objects.get(key),
        objects.ping(),
        objects.executions("0"),
        objects.forget(str(uuid4())),
    )
    for call in calls:
        with pytest.raises(PayloadStoreError) as caught:
            await call
        assert caught.value.code == "payload_store_unavailable"
        assert SECRET not in caught.value.message
    s3.start()
    assert await objects.get(key) == b"x"


async def test_a_key_that_the_bucket_does_not_take_is_an_outage_too(s3: S3Server) -> None:
    s3.client.delete_bucket(Bucket=s3.bucket)
    objects = Objects.open(settings(**s3.settings))
    assert objects is not None
    with pytest.raises(PayloadStoreError):
        await objects.put(str(uuid4()), b"y")
    s3.client.create_bucket(
        Bucket=s3.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )


async def test_a_folder_that_is_full_or_locked_is_an_outage(tmp_path: Path) -> None:
    objects = Objects.open(settings(pilot_payloads=f"folder:{tmp_path / 'store'}"))
    assert objects is not None
    execution = str(uuid4())
    blocked = tmp_path / "store" / "runs"
    blocked.write_text("in the way of the folder")
    with pytest.raises(PayloadStoreError):
        await objects.put(execution, b"x")
    blocked.unlink()
    assert await objects.put(execution, b"x")


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    assert Objects.open(settings(pilot_payloads=f"folder:{tmp_path / 'a' / 'b'}"))
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0


def test_where_it_is(tmp_path: Path) -> None:
    assert place_of(settings()) is None
    assert place_of(settings(pilot_payloads="off", pilot_env="development")) is None
    dev = settings(pilot_env="development", pilot_data_dir=tmp_path)
    assert place_of(dev) == Folder(tmp_path / "payloads")
    assert place_of(settings(pilot_payloads="folder:/srv/p")) == Folder(Path("/srv/p"))
    assert place_of(settings(pilot_payloads="s3://b")) == Bucket("b")
    supabase = settings(
        pilot_payloads="s3://payloads/pilot/",
        pilot_payloads_endpoint="https://abc.storage.supabase.co/storage/v1/s3",
        pilot_payloads_region="eu-west-1",
        pilot_payloads_key_id="id",
        pilot_payloads_secret="s",
    )
    assert place_of(supabase) == Bucket(
        "payloads",
        "pilot",
        "https://abc.storage.supabase.co/storage/v1/s3",
        "eu-west-1",
        "id",
        "s",
    )


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"pilot_payloads": "/srv/p"}, "PILOT_PAYLOADS: "),
        ({"pilot_payloads": "folder:"}, "PILOT_PAYLOADS: "),
        ({"pilot_payloads": "s3:bucket"}, "s3://bucket"),
        ({"pilot_payloads": "s3://id:secret@bucket"}, "variables of their own"),
        (
            {"pilot_payloads": "s3://b", "pilot_payloads_endpoint": "127.0.0.1"},
            "PILOT_PAYLOADS_ENDPOINT",
        ),
        ({"pilot_payloads": "s3://b", "pilot_payloads_key_id": "i"}, "PILOT_PAYLOADS_SECRET"),
    ],
)
def test_a_bad_setting_is_named_at_the_start(fields: dict[str, Any], names: str) -> None:
    with pytest.raises(SettingsError, match=names):
        settings(pilot_env="development", **fields).check()


def test_sizes_follow_the_settings() -> None:
    assert sizes_of(settings()) == Sizes(1_900_000, None)
    given = settings(
        pilot_payloads="folder:/x", pilot_payloads_from_kb=256, pilot_payloads_max_mb=40
    )
    sizes = sizes_of(given)
    assert sizes == Sizes(40_000_000, 256 * 1024, keeps=True)
    assert sizes.in_history(1_000) == 1_000
    assert sizes.in_history(10_000_000) < 1_000
    assert Sizes().in_history(1_500_000) == 1_500_000


def test_keys_of_others_are_not_ours() -> None:
    of = hashlib.sha256(b"").hexdigest()
    assert execution_in(f"runs/0/{'0' * 36}/{of}") == "0" * 36
    for key in ("ping", f"runs/0/../{of}", f"x/runs/0/{'0' * 36}/{of}", f"runs/0/{'0' * 36}/x"):
        assert execution_in(key) is None
