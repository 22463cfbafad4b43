from __future__ import annotations

import os

import pytest

from pilot.identity import LAYERS, layers_of, worker_identity


@pytest.mark.parametrize("layers", [(), ("rlimits",), tuple(LAYERS.values())])
def test_an_identity_tells_the_layers(layers: tuple[str, ...]) -> None:
    identity = worker_identity(layers)
    assert identity.startswith(f"{os.getpid()}@")
    assert layers_of(identity) == layers


@pytest.mark.parametrize("identity", ["12@host", "", "sandbox=rs@host x"])
def test_another_identity_tells_nothing(identity: str) -> None:
    assert layers_of(identity) is None


def test_a_layer_that_is_not_known_is_left_out() -> None:
    assert layers_of(worker_identity(["rlimits", "magic"])) == ("rlimits",)
