"""Keys and sealed messages: what opens, and what must not."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest

from pilot.crypto import Binding, Keyring, key_id_in, key_id_of, new_key
from pilot.errors import CiphertextError, SettingsError, UnknownKeyError

ONE, TWO = bytes(range(32)), bytes(range(200, 232))
HERS = Binding("secret", "ada", "TOKEN")


def text(key: bytes) -> str:
    return b64encode(key).decode()


def ring(*keys: bytes) -> Keyring:
    return Keyring.parse(",".join(text(key) for key in keys))


def test_what_is_sealed_opens() -> None:
    keys = ring(ONE)
    for message in (b"", b"x", "dé\0ja vu".encode(), bytes(100_000)):
        assert keys.open(keys.seal(message, HERS), HERS) == message


def test_no_two_ciphertexts_are_alike_and_none_holds_the_message() -> None:
    keys = ring(ONE)
    sealed = {keys.seal(b"hunter2hunter2", HERS) for _ in range(100)}
    assert len(sealed) == 100
    assert not any(b"hunter2" in one for one in sealed)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Binding("secret", "bob", "TOKEN"),
        Binding("secret", "ada", "OTHER"),
        Binding("payload", "ada", "TOKEN"),
        Binding("secret", "ada"),
        Binding("secret", "adaT", "OKEN"),
        Binding("secreta", "da", "TOKEN"),
    ],
)
def test_a_ciphertext_that_was_moved_does_not_open(elsewhere: Binding) -> None:
    keys = ring(ONE)
    with pytest.raises(CiphertextError):
        keys.open(keys.seal(b"value", HERS), elsewhere)


def test_a_ciphertext_that_was_altered_anywhere_does_not_open() -> None:
    keys = ring(ONE, TWO)
    sealed = keys.seal(b"value", HERS)
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        with pytest.raises(CiphertextError):
            keys.open(bytes(altered), HERS)


def test_a_ciphertext_that_was_cut_does_not_open() -> None:
    keys = ring(ONE)
    sealed = keys.seal(b"value", HERS)
    for length in range(len(sealed)):
        with pytest.raises(CiphertextError):
            keys.open(sealed[:length], HERS)
    with pytest.raises(CiphertextError):
        keys.open(sealed + b"\0", HERS)


def test_an_old_key_still_opens_and_the_newest_seals() -> None:
    sealed = ring(ONE).seal(b"value", HERS)
    both = ring(TWO, ONE)
    assert both.open(sealed, HERS) == b"value"
    assert both.newest == key_id_of(TWO)
    assert key_id_in(both.seal(b"value", HERS)) == key_id_of(TWO)


def test_an_unknown_key_is_named() -> None:
    sealed = ring(ONE).seal(b"value", HERS)
    with pytest.raises(UnknownKeyError, match=key_id_of(ONE)):
        ring(TWO).open(sealed, HERS)


def test_another_key_of_the_same_id_does_not_open() -> None:
    sealed = Keyring({"k": ONE}).seal(b"value", HERS)
    with pytest.raises(CiphertextError, match="another key has the id"):
        Keyring({"k": TWO}).open(sealed, HERS)


def test_keys_are_written_in_any_base64() -> None:
    for written in (
        text(TWO),
        text(TWO).rstrip("="),
        urlsafe_b64encode(TWO).decode(),
        f"  {text(TWO)} ",
    ):
        assert Keyring.parse(written).key_ids == (key_id_of(TWO),)
    assert Keyring.parse(f"2026-03:{text(ONE)}, {text(TWO)}").key_ids == ("2026-03", key_id_of(TWO))
    assert Keyring.parse(new_key())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "is empty"),
        (f"{text(ONE)},", "key 2 is empty"),
        ("not base64!", "is not base64"),
        ("abc", "is 2 bytes long"),
        ("a", "is not base64"),
        (text(ONE[:31]), "is 31 bytes long"),
        (text(ONE * 2), "is 64 bytes long"),
        (f"bad id:{text(ONE)}", "has a bad id"),
        (f":{text(ONE)}", "has a bad id"),
        (f"{text(ONE)},{text(ONE)}", "key 2 has the id of one before"),
        (f"a:{text(ONE)},b:{text(ONE)}", "key 2 is the same as one before"),
        (f"a:{text(ONE)},a:{text(TWO)}", "key 2 has the id of one before"),
    ],
)
def test_a_bad_key_is_one_line_that_does_not_show_it(given: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        Keyring.parse(given)
    assert "PILOT_ENCRYPTION_KEY" in caught.value.message
    assert "\n" not in caught.value.message
    assert text(ONE)[:10] not in caught.value.message


def test_a_ring_does_not_show_its_keys() -> None:
    shown = f"{ring(ONE)!r} {ring(ONE)} {Keyring({'k': ONE})!r}"
    assert text(ONE)[:10] not in shown
    assert repr(ONE)[:10] not in shown


def test_an_older_ring_opens_and_never_seals() -> None:
    old, new = ring(ONE), ring(TWO)
    joined = new.with_older(old)
    assert joined.open(old.seal(b"value", HERS), HERS) == b"value"
    assert joined.newest == new.newest
    assert new.with_older(new).key_ids == new.key_ids
