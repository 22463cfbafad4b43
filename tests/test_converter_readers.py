"""Readers of our types are built once a process, not once a run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from pilot import converter
from pilot.converter import LeanPayloadConverter
from workflows_def.messages import RecordResult


@dataclass
class Theirs:
    value: int


def test_a_new_converter_builds_no_reader_of_our_types_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[object] = []

    def counting(kind: object) -> TypeAdapter[object]:
        built.append(kind)
        return TypeAdapter(kind)

    converter._reader.cache_clear()
    monkeypatch.setattr(converter, "TypeAdapter", counting)
    for _ in range(3):  # as Temporal makes one for each run
        fresh = LeanPayloadConverter()
        payloads = fresh.to_payloads([RecordResult(3)])
        assert fresh.from_payloads(payloads, [RecordResult]) == [RecordResult(3)]
    assert built == [RecordResult]


def test_types_of_others_and_none_are_read_as_ever() -> None:
    fresh = LeanPayloadConverter()
    payloads = fresh.to_payloads([Theirs(1), {"a": [1]}])
    assert fresh.from_payloads(payloads, [Theirs, None]) == [Theirs(1), {"a": [1]}]  # type: ignore[list-item]
    with pytest.raises(ValidationError):
        fresh.from_payloads(fresh.to_payloads(["x"]), [RecordResult])
