"""The WebSocket's handshake: origins, addresses, compression."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from api.live.connections import Connections, TooManyConnectionsError
from api.live.delivery import DEFLATE
from api.live.origin import is_allowed
from api.live.subscriptions import HOLD_S
from pilot.events.model import Envelope, Event, EventType
from tests.sockets import closed_with, message, open_socket, pong

CANVAS = "https://canvas.example"


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "api.example", True),
        (CANVAS, "api.example", True),
        ("https://api.example", "api.example", True),
        ("http://api.example", "api.example", True),
        ("https://api.example", "api.example:443", True),
        ("http://api.example:8000", "api.example:8000", True),
        ("http://localhost:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "localhost:8000", True),
        ("http://localhost:5173", "127.0.0.1:8000", False),
        ("https://api.example:8443", "api.example", False),
        ("https://canvas.example.evil.example", "api.example", False),
        ("https://canvas.example:444", "api.example", False),
        ("https://evil.example", "api.example", False),
        ("http://evil.example:8000", "127.0.0.1:8000", False),
        ("null", "api.example", False),
        ("", "", False),
        ("file://", "", False),
        ("https://", "", False),
        ("https://x:port", "x", False),
        ("https://api.example", None, False),
    ],
)
def test_origins(origin, host, allowed):
    assert is_allowed(origin, host, [CANVAS]) is allowed
    assert is_allowed(origin, host, ["*"])


@pytest.fixture
async def guarded(serve, tmp_path):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, backend_cors_origins=[CANVAS])) as api:
        yield api


async def test_pages_of_other_origins_are_refused_before_a_socket_is_open(guarded):
    own = guarded.url
    for origin in (None, CANVAS, own, own.replace("127.0.0.1", "localhost")):
        async with open_socket(guarded, origin=origin) as socket:
            await pong(socket)
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        with pytest.raises(InvalidStatus) as refused:
            await open_socket(guarded, origin=origin)
        answer = refused.value.response
        assert answer.status_code == 403
        assert json.loads(answer.body)["code"] == "origin_not_allowed"


async def test_another_path_is_no_socket(api):
    with pytest.raises(InvalidStatus):
        await connect(f"{api.ws}/ws")


# addresses


def test_connections_are_counted_by_address_and_by_user():
    counted = Connections(per_user=2, per_address=2)
    with counted.from_address("10.0.0.1"), counted.from_address("::ffff:10.0.0.1"):
        assert counted.open == 2
        with pytest.raises(TooManyConnectionsError), counted.from_address("10.0.0.1"):
            pass
        with counted.from_address("10.0.0.2"):
            assert counted.open == 3
    with counted.from_address("2001:db8::1"), counted.from_address("2001:db8::2"):
        with pytest.raises(TooManyConnectionsError), counted.from_address("2001:db8::ffff:1"):
            pass
        with counted.from_address("2001:db8:0:1::1"):
            pass
    with counted.of_user("ada"), counted.of_user("ada"), counted.of_user("eve"):
        third = counted.of_user("ada")
        with pytest.raises(TooManyConnectionsError):
            third.__enter__()
    assert not counted.users
    assert not counted.addresses


@pytest.mark.parametrize(("trusted", "limited"), [([], True), (["127.0.0.1"], False)])
async def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(
    serve, tmp_path, trusted, limited
):
    serving, settings_for = serve
    settings = settings_for(
        tmp_path, pilot_trusted_proxies=trusted, pilot_connections_per_address=1
    )
    async with serving(settings) as api:

        def from_(address):
            return connect(
                f"{api.ws}/ws/ada",
                additional_headers={
                    "Authorization": f"Bearer {api.token()}",
                    "X-Forwarded-For": address,
                },
            )

        async with from_("192.0.2.1") as first, from_("192.0.2.2") as second:
            await pong(first)
            if limited:
                assert await closed_with(second) == 4429
            else:
                await pong(second)
                async with from_("198.51.100.9, 192.0.2.2") as third:
                    assert await closed_with(third) == 4429


# compression


@pytest.mark.parametrize(
    "offer",
    [
        None,
        ClientPerMessageDeflateFactory(),
        ClientPerMessageDeflateFactory(client_max_window_bits=True),
        ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=10),
        ClientPerMessageDeflateFactory(server_max_window_bits=15),
        ClientPerMessageDeflateFactory(server_no_context_takeover=True),
    ],
)
async def test_every_client_reads_the_same_whatever_it_offers(api, offer):
    async with open_socket(
        api, "deflate", compression=None, extensions=[offer] if offer else None
    ) as socket:
        await asyncio.sleep(2 * HOLD_S)
        assert len(socket.protocol.extensions) == (offer is not None)
        # over and under the size from which on frames are deflated, one after the other
        texts = [f"{n} " * size for n, size in enumerate((1, 5_000, 40, 3_000, 2))]
        events = [
            Event(EventType.LOG, f"e-{id(offer)}", "w", "t", data={"text": text}) for text in texts
        ]
        await api.parts.bus.publish([Envelope("deflate", one) for one in events])
        assert [(await message(socket))["data"]["text"] for _ in texts] == texts
        await socket.send(json.dumps({"type": "ping", "padding": "x" * 5_000}))
        assert (await message(socket))["code"] == "invalid_message"


def test_no_window_outlives_a_message():
    assert not hasattr(DEFLATE, "decoder")
    assert DEFLATE.local_no_context_takeover
    assert DEFLATE.remote_no_context_takeover
