"""Tokens: what is taken, what is refused and how; keys, their rotation and their absence."""

import asyncio
import base64
import json
import multiprocessing
import stat
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from api import keysets
from api.auth import TokenVerifier, verifier
from api.caller import InvalidTokenError
from api.keysets import HttpKeys, KeysUnavailableError
from pilot import tokens
from pilot.errors import PilotError, SettingsError
from pilot.settings import Settings
from pilot.tokens import ISSUER, DevelopmentIssuer, jwks_path

URL = "/api/v1/workflows"
OTHER_KEY = generate_private_key(public_exponent=65537, key_size=2048)


def claims(**changes):
    now = int(time.time())
    all_claims = {"iss": ISSUER, "sub": "ada", "iat": now, "nbf": now, "exp": now + 60, **changes}
    return {name: value for name, value in all_claims.items() if value is not None}


def signed(issuer, body, *, key=None, algorithm="RS256", **headers):
    headers = {"kid": issuer.kid, **headers}
    return jwt.encode(body, key or issuer.key, algorithm=algorithm, headers=headers)


def part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(issuer):
    return f"{part({'alg': 'none', 'kid': issuer.kid})}.{part(claims())}."


def by_the_public_key_as_a_secret(issuer):
    # the classic confusion: HS256 with what everybody may read (RFC 8725, 2.1)
    return jwt.encode(claims(), "x" * 64, algorithm="HS256", headers={"kid": issuer.kid})


NOW = int(time.time())
BAD = {
    "none": unsigned,
    "hs256": by_the_public_key_as_a_secret,
    "rs512": lambda i: signed(i, claims(), algorithm="RS512"),
    "another key": lambda i: signed(i, claims(), key=OTHER_KEY),
    "unknown kid": lambda i: signed(i, claims(), kid="nobody"),
    "no kid": lambda i: jwt.encode(claims(), i.key, algorithm="RS256"),
    "jku": lambda i: signed(i, claims(), key=OTHER_KEY, jku="http://evil.test", kid="evil"),
    "expired": lambda i: signed(i, claims(exp=NOW - 60, iat=NOW - 120, nbf=NOW - 120)),
    "not yet": lambda i: signed(i, claims(nbf=NOW + 600)),
    "from the future": lambda i: signed(i, claims(iat=NOW + 600)),
    "another issuer": lambda i: signed(i, claims(iss="https://evil.test")),
    "no exp": lambda i: signed(i, claims(exp=None)),
    "no iat": lambda i: signed(i, claims(iat=None)),
    "no sub": lambda i: signed(i, claims(sub=None)),
    "no iss": lambda i: signed(i, claims(iss=None)),
    "empty sub": lambda i: signed(i, claims(sub="")),
    "long sub": lambda i: signed(i, claims(sub="x" * 201)),
    "odd exp": lambda i: signed(i, claims(exp="soon")),
    "too long": lambda i: signed(i, claims(pad="x" * 9_000)),
    "cut": lambda i: signed(i, claims())[:-5],
    "text": lambda i: "nonsense",
    "dots": lambda i: "..",
    "odd header": lambda i: f"{part([1])}.{part({})}.x",
    "odd kid": lambda i: signed(i, claims(), kid="\u2603" * 10),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_token_is_401_with_a_challenge(api, case):
    token = BAD[case](api.issuer)
    headers = {"Authorization": f"Bearer {token}"}
    answer = await api.client(user=None).get(URL, headers=headers)
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    expected = "token_expired" if case == "expired" else "invalid_token"
    assert answer.json()["code"] == expected


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer, x", "Basic YTpi", "token"])
async def test_no_token_is_401(api, header):
    headers = {} if header is None else {"Authorization": header}
    answer = await api.client(user=None).get(URL, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_is_taken(api, scheme):
    headers = {"Authorization": f"{scheme} {api.token()}"}
    assert (await api.client(user=None).get(URL, headers=headers)).status_code == 200


async def test_leeway_is_five_seconds(api):
    client = api.client(user=None)
    for offset, status in ((-3, 200), (-10, 401)):
        token = signed(api.issuer, claims(exp=int(time.time()) + offset))
        answer = await client.get(URL, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["/", "/health"])
async def test_these_need_no_token(api, path):
    assert (await api.client(user=None).get(path)).status_code == 200


# keys over HTTP


class KeyServer:
    """A JWKS endpoint on loopback that counts, and breaks on demand."""

    def __init__(self, issuer: DevelopmentIssuer, folder) -> None:
        self.body = jwks_path(folder).read_bytes()
        self.status = 200
        self.fetches = 0

    async def __call__(self, reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.fetches += 1
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + self.body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def key_server(tmp_path):
    issuer = DevelopmentIssuer.open(tmp_path)
    handler = KeyServer(issuer, tmp_path)
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/.well-known/jwks.json"
    yield handler, issuer, url
    server.close()


class OneKey:
    """A source with the issuer's key, until it is withdrawn."""

    def __init__(self, issuer):
        public = tokens._public_jwk(issuer.key)
        self._content = json.dumps({"keys": [public]}).encode()
        self.read()

    def read(self):
        self.keys = keysets.parse_keys(self._content)

    async def key(self, kid):
        return self.keys.get(kid)

    async def require(self):
        pass


async def test_a_token_is_verified_once(tmp_path, monkeypatch):
    issuer = DevelopmentIssuer.open(tmp_path)
    keys = OneKey(issuer)
    check, calls, decode = TokenVerifier(ISSUER, keys), [], jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *a, **k: calls.append(a) or decode(*a, **k))
    token = issuer.mint("ada", 60)
    assert {(await check.verify(token)).user_id for _ in range(3)} == {"ada"}
    assert len(calls) == 1
    keys.read()  # as it is when the issuer's keys are fetched again
    assert (await check.verify(token)).user_id == "ada"
    assert len(calls) == 2
    assert (await check.verify(issuer.mint("bob", 60))).user_id == "bob"
    keys.keys = {}
    with pytest.raises(InvalidTokenError, match="unknown key"):
        await check.verify(token)


async def test_what_was_verified_expires(tmp_path, monkeypatch):
    issuer = DevelopmentIssuer.open(tmp_path)
    check, token = TokenVerifier(ISSUER, OneKey(issuer)), issuer.mint("ada", -1)
    assert (await check.verify(token)).user_id == "ada"  # within the leeway
    monkeypatch.setattr("api.auth.LEEWAY_S", 0)
    with pytest.raises(InvalidTokenError) as raised:
        await check.verify(token)
    assert raised.value.code == "token_expired"


async def test_a_bounded_number_of_tokens_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("api.auth.MAX_KNOWN", 3)
    issuer = DevelopmentIssuer.open(tmp_path)
    check = TokenVerifier(ISSUER, OneKey(issuer))
    for user in "abcde":
        await check.verify(issuer.mint(user, 60))
    assert [known.caller.user_id for known in check._known.values()] == ["c", "d", "e"]


async def test_published_keys_are_fetched_once(key_server):
    handler, issuer, url = key_server
    check = TokenVerifier(ISSUER, HttpKeys(url))
    callers = await asyncio.gather(*(check.verify(issuer.mint("ada")) for _ in range(20)))
    assert {caller.user_id for caller in callers} == {"ada"}
    assert handler.fetches == 1


async def test_an_unknown_key_id_fetches_again_but_not_at_once(key_server, monkeypatch):
    handler, issuer, url = key_server
    check = TokenVerifier(ISSUER, HttpKeys(url))
    await check.verify(issuer.mint("ada"))
    for _ in range(5):
        with pytest.raises(InvalidTokenError):
            await check.verify(signed(issuer, claims(), kid="invented"))
    assert handler.fetches == 1
    monkeypatch.setattr(keysets, "JWKS_RETRY_S", 0)
    with pytest.raises(InvalidTokenError):
        await check.verify(signed(issuer, claims(), kid="invented"))
    assert handler.fetches == 2


async def test_known_keys_stay_good_while_the_issuer_is_down(key_server, monkeypatch):
    handler, issuer, url = key_server
    check = TokenVerifier(ISSUER, HttpKeys(url))
    await check.verify(issuer.mint("ada"))
    handler.status = 500
    monkeypatch.setattr(keysets, "JWKS_FRESH_S", -1)
    monkeypatch.setattr(keysets, "JWKS_RETRY_S", 0)
    assert (await check.verify(issuer.mint("ada"))).user_id == "ada"
    assert handler.fetches == 2


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 1}', b"x" * 300_000])
async def test_an_issuer_that_never_answered_is_unavailable(key_server, body):
    handler, issuer, url = key_server
    handler.body = body
    with pytest.raises(KeysUnavailableError):
        await TokenVerifier(ISSUER, HttpKeys(url)).verify(issuer.mint("ada"))


# the development issuer


def test_the_issuers_files_are_its_owners_alone(tmp_path):
    DevelopmentIssuer.open(tmp_path)
    for path in (tmp_path / tokens.FOLDER).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list((tmp_path / tokens.FOLDER).iterdir())) == 2
    assert b"PRIVATE" not in jwks_path(tmp_path).read_bytes()


def _kid(folder) -> str:
    return DevelopmentIssuer.open(folder).kid


def test_processes_that_start_at_once_share_one_key(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        kids = pool.map(_kid, [tmp_path] * 4)
    assert set(kids) == {DevelopmentIssuer.open(tmp_path).kid}
    assert json.loads(jwks_path(tmp_path).read_bytes())["keys"][0]["kid"] == kids[0]


def test_a_lost_key_set_is_made_again(tmp_path):
    issuer = DevelopmentIssuer.open(tmp_path)
    jwks_path(tmp_path).unlink()
    assert DevelopmentIssuer.open(tmp_path).kid == issuer.kid
    assert jwks_path(tmp_path).exists()


@pytest.mark.parametrize("user", ["", "x" * 201, "a\nb", "\x00"])
def test_an_odd_user_gets_no_token(tmp_path, user):
    with pytest.raises(PilotError):
        DevelopmentIssuer.open(tmp_path).mint(user)


def test_a_broken_key_file_is_named(tmp_path):
    DevelopmentIssuer.open(tmp_path)
    (tmp_path / tokens.FOLDER / tokens.KEY_FILE).write_text("nonsense")
    with pytest.raises(SettingsError, match="PILOT_DATA_DIR"):
        DevelopmentIssuer.open(tmp_path)


def test_production_knows_no_development_issuer(tmp_path):
    with pytest.raises(SettingsError, match="CLERK_JWT_ISSUER"):
        verifier(Settings(_env_file=None, pilot_env="production", pilot_data_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []
