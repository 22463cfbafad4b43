"""Webhooks: called by nobody in particular, and by hostile ones."""

import asyncio
import base64
import hmac
import json
import time
from hashlib import sha256
from uuid import uuid4

import pytest

W, E, T, S = "/api/v1/workflows", "/api/v1/executions", "/api/v1/triggers", "/api/v1/secrets"
SECRET = "a secret of forty characters, or nearly"


@pytest.fixture
def live(live_api, worker):
    return live_api.client(f"user_{uuid4().hex[:8]}")


@pytest.fixture
def anyone(live_api):
    """Who has no token."""
    return live_api.client(None)


async def hook(client, make_chain, *nodes, **webhook):
    workflow = (await client.post(W, json=make_chain(*nodes))).json()["id"]
    body = {"name": "h", "workflow_id": workflow, "webhook": webhook}
    answer = await client.post(T, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["url"] == f"/api/v1/webhooks/{made['token']}"
    assert made["token"].endswith(made["hint"])
    return made


async def output(client, answer):
    """What the run came to that a call began."""
    assert answer.status_code == 202, answer.text
    assert answer.json().keys() == {"execution_id", "status", "output"}
    async with asyncio.timeout(60):
        while True:
            row = (await client.get(f"{E}/{answer.json()['execution_id']}")).json()
            if row["finished_at"]:
                assert row["status"] == "succeeded", row
                return row
            await asyncio.sleep(0.1)


def github(body, secret=SECRET):
    digest = hmac.new(secret.encode(), body, sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def test_a_call_begins_a_run_of_what_was_sent(live, anyone, make_chain):
    made = await hook(live, make_chain, headers=["X-Event"])
    answer = await anyone.post(
        made["url"] + "?a=1&b=2&b=3",
        json={"n": 2**70, "s": "\u00e9"},
        headers={"X-Event": "push", "X-Other": "no", "Cookie": "secret", "User-Agent": "tests"},
    )
    row = await output(live, answer)
    assert row["input"] == {
        "method": "POST",
        "query": {"a": "1", "b": ["2", "3"]},
        "headers": {"content-type": "application/json", "user-agent": "tests", "x-event": "push"},
        "body": {"n": 2**70, "s": "\u00e9"},
        "body_type": "json",
    }
    assert row["triggered"]["type"] == "webhook"
    assert row["triggered"]["id"] == made["id"]
    [listed] = (await live.get(f"{T}/{made['id']}/executions")).json()["items"]
    assert listed["id"] == row["id"]
    text = (await live.get(T)).text + (await live.get(f"{T}/{made['id']}")).text
    assert made["token"] not in text and "token_hash" not in text


@pytest.mark.parametrize(
    ("content_type", "content", "body", "kind"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%A9&b=&a", None, "form"),
        ("text/plain", "h\u00e9".encode(), "h\u00e9", "text"),
        ("text/plain; charset=latin-1", b"h\xe9", None, "base64"),
        ("text/plain", b"h\xe9", None, "base64"),
        ("application/octet-stream", b"\x00\xff", None, "base64"),
        ("application/cloudevents+json", b"[1]", [1], "json"),
        (None, b"raw", None, "base64"),
        ("application/json", b"", None, "empty"),
    ],
)
async def test_any_body_will_do(live, anyone, make_chain, content_type, content, body, kind):
    made = await hook(live, make_chain, input_from="request")
    headers = {} if content_type is None else {"Content-Type": content_type}
    row = await output(live, await anyone.post(made["url"], content=content, headers=headers))
    assert row["input"]["body_type"] == kind
    if kind == "form":
        body = {"a": ["1", ""], "b": ["\u00e9", ""]}
    elif kind == "base64":
        body = base64.b64encode(content).decode()
    assert row["input"]["body"] == body


async def test_the_body_alone_and_its_schema(live, anyone, make_chain):
    start = {"inputs": [{"name": "n", "type": "integer", "required": True}]}
    graph = make_chain()
    graph["nodes"][0]["config"] = start
    workflow = (await live.post(W, json=graph)).json()["id"]
    webhook = {"input_from": "body", "max_wait_s": 30}
    body = {"name": "h", "workflow_id": workflow, "webhook": webhook}
    made = (await live.post(T, json=body)).json()
    done = await anyone.post(made["url"] + "?wait=30", json={"n": 5})
    assert (done.status_code, done.json()["output"]) == (200, {"n": 5})
    wrong = await anyone.post(made["url"], json={"n": "five"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_input")
    failure = (await live.get(f"{T}/{made['id']}")).json()["failure"]
    assert failure["code"] == "invalid_input"
    assert (await anyone.post(made["url"], json={"n": 6})).status_code == 202
    assert (await live.get(f"{T}/{made['id']}")).json()["failure"] is None


async def test_nobody_waits_who_may_not(live, anyone, make_chain):
    made = await hook(live, make_chain)
    answer = await anyone.post(made["url"] + "?wait=30", json=1)
    assert (answer.status_code, answer.json()["output"]) == (202, None)
    fails = await hook(
        live,
        make_chain,
        {"id": "bad", "type": "code", "config": {"source": "raise ValueError('inside')"}},
        max_wait_s=30,
    )
    answer = await anyone.post(fails["url"] + "?wait=30", json=1)
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert answer.json()["error"]
    assert "inside" not in answer.text


async def test_a_delivery_is_one_run_however_often_it_comes(live, anyone, make_chain):
    made = await hook(live, make_chain, delivery_header="X-GitHub-Delivery")
    headers = {"X-GitHub-Delivery": "1"}
    calls = (anyone.post(made["url"], json={"try": n}, headers=headers) for n in range(6))
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["execution_id"] for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert replayed.count("true") == 5
    other = await anyone.post(made["url"], json=1, headers={"X-GitHub-Delivery": "2"})
    keyed = [
        await anyone.post(made["url"], json=1, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    changed = await anyone.post(made["url"], json=2, headers={"Idempotency-Key": "k"})
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    ids = [answer.json()["execution_id"] for answer in (answers[0], other, *keyed)]
    assert len(set(ids)) == 3
    # of another webhook it is another delivery
    second = await hook(live, make_chain, delivery_header="X-GitHub-Delivery")
    elsewhere = await anyone.post(second["url"], json=1, headers=headers)
    assert elsewhere.json()["execution_id"] not in ids
    for strange in ("x" * 256, "\x7f"):
        bad = await anyone.post(made["url"], headers={"X-GitHub-Delivery": strange.encode()})
        assert (bad.status_code, bad.json()["code"]) == (400, "invalid_delivery")


async def test_who_has_not_signed_is_refused(live, anyone, make_chain):
    await live.post(S, json={"name": "HOOK", "value": SECRET})
    made = await hook(live, make_chain, signature={"scheme": "github", "secret": "HOOK"})
    body = json.dumps({"a": 1}).encode()
    good = await anyone.post(made["url"], content=body, headers=github(body))
    row = await output(live, good)
    assert "x-hub-signature-256" not in row["input"]["headers"]
    for headers in ({}, github(body, "wrong"), github(body + b" ")):
        bad = await anyone.post(made["url"], content=body, headers=headers)
        assert (bad.status_code, bad.json()["code"]) == (401, "invalid_signature")
        assert SECRET not in bad.text
    # an owner who takes the secret away is told, and callers may come again
    await live.delete(f"{S}/HOOK")
    away = await anyone.post(made["url"], content=body, headers=github(body))
    assert (away.status_code, away.json()["code"]) == (503, "webhook_not_ready")
    assert "HOOK" not in away.text
    failure = (await live.get(f"{T}/{made['id']}")).json()["failure"]
    assert failure["code"] == "missing_secret"
    assert len((await live.get(f"{T}/{made['id']}/executions")).json()["items"]) == 1


async def test_a_signed_call_that_is_sent_again_by_others_runs_nothing(live, anyone, make_chain):
    await live.post(S, json={"name": "HOOK", "value": SECRET})
    made = await hook(live, make_chain, signature={"scheme": "stripe", "secret": "HOOK"})

    def signed(at):
        digest = hmac.new(SECRET.encode(), f"{at}.{{}}".encode(), sha256).hexdigest()
        return {"Stripe-Signature": f"t={at},v1={digest}", "Content-Type": "application/json"}

    now = int(time.time())
    first = await anyone.post(made["url"], content=b"{}", headers=signed(now))
    again = await anyone.post(made["url"], content=b"{}", headers=signed(now))
    assert first.status_code == again.status_code == 202
    assert first.json()["execution_id"] == again.json()["execution_id"]
    old = await anyone.post(made["url"], content=b"{}", headers=signed(now - 400))
    assert (old.status_code, old.json()["code"]) == (401, "invalid_signature")


async def test_a_challenge_of_slacks_is_answered_and_begins_nothing(live, anyone, make_chain):
    await live.post(S, json={"name": "HOOK", "value": SECRET})
    signature = {"scheme": "slack", "secret": "HOOK"}
    made = await hook(live, make_chain, signature=signature, challenge={"kind": "slack"})

    async def call(url, secret, **sent):
        body, seconds = json.dumps(sent).encode(), str(int(time.time()))
        digest = hmac.new(secret.encode(), f"v0:{seconds}:".encode() + body, sha256).hexdigest()
        headers = {"X-Slack-Signature": f"v0={digest}", "X-Slack-Request-Timestamp": seconds}
        return await anyone.post(url, content=body, headers=headers)

    asked = {"type": "url_verification", "challenge": "<b>abc</b>", "token": "t"}
    answer = await call(made["url"], SECRET, **asked)
    assert (answer.status_code, answer.text) == (200, "<b>abc</b>")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await call(made["url"], "wrong", **asked)).status_code == 401
    strange = await call(made["url"], SECRET, type="url_verification", challenge={"a": 1})
    assert (strange.status_code, strange.json()["code"]) == (400, "invalid_challenge")
    assert (await live.get(f"{T}/{made['id']}/executions")).json()["items"] == []
    assert (await call(made["url"], SECRET, type="event_callback")).status_code == 202
    # a webhook that is asked by nobody is given it as any other call
    plain = await hook(live, make_chain)
    assert (await anyone.post(plain["url"], json=asked)).status_code == 202


async def test_a_challenge_of_a_hubs_needs_its_token(live, anyone, make_chain):
    await live.post(S, json={"name": "VERIFY", "value": "a word"})
    challenge = {"kind": "hub", "verify_token": "VERIFY"}
    made = await hook(live, make_chain, challenge=challenge)
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    right = await anyone.get(made["url"], params={**query, "hub.verify_token": "a word"})
    assert (right.status_code, right.text) == (200, "1158201444")
    for token in ({}, {"hub.verify_token": "another"}):
        wrong = await anyone.get(made["url"], params={**query, **token})
        assert (wrong.status_code, wrong.json()["code"]) == (403, "invalid_verify_token")
    for missing in ("hub.mode", "hub.challenge"):
        some = {name: one for name, one in query.items() if name != missing}
        answer = await anyone.get(made["url"], params={**some, "hub.verify_token": "a word"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_challenge")
    assert (await live.get(f"{T}/{made['id']}/executions")).json()["items"] == []
    plain = await hook(live, make_chain)
    assert (await anyone.get(plain["url"], params=query)).status_code == 405
    assert (await anyone.get("/api/v1/webhooks/whk_x", params=query)).status_code == 404
    bare = await hook(live, make_chain, challenge={"kind": "hub"})
    assert (await anyone.get(bare["url"], params=query)).text == "1158201444"
    bad = {"name": "h", "workflow_id": made["workflow_id"],
           "webhook": {"challenge": {"kind": "slack", "verify_token": "VERIFY"}}}  # fmt: skip
    assert (await live.post(T, json=bad)).status_code == 422


async def test_unknown_paused_and_rotated_tokens_are_answered_alike(live, anyone, make_chain):
    made = await hook(live, make_chain)
    url = f"{T}/{made['id']}"
    new = (await live.post(f"{url}/rotate")).json()
    assert new["token"] != made["token"]
    assert (await anyone.post(new["url"])).status_code == 202
    old = await anyone.post(made["url"])
    await live.post(f"{url}/pause")
    paused = await anyone.post(new["url"])
    unknown = await anyone.post("/api/v1/webhooks/whk_" + "a" * 43)
    long = await anyone.post("/api/v1/webhooks/" + "a" * 3000)

    def shown(answer):
        return answer.status_code, {**answer.json(), "request_id": None}

    assert shown(old) == shown(paused) == shown(unknown) == shown(long)
    assert old.status_code == 404
    await live.post(f"{url}/resume")
    assert (await anyone.post(new["url"])).status_code == 202
    assert (await live.delete(url)).status_code == 204
    assert (await anyone.post(new["url"])).status_code == 404
    assert (await anyone.get(new["url"])).status_code == 404


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {"Content-Type": "application/json"}, 400, "invalid_json"),
        (b'{"a":1,"a":2}', {"Content-Type": "application/json"}, 400, "invalid_json"),
        (b"[" * 1500, {"Content-Type": "application/json"}, 400, "invalid_json"),
        (b"x" * 2001, {"Content-Type": "text/plain"}, 413, "body_too_large"),
        (
            b"&" * 1001,
            {"Content-Type": "application/x-www-form-urlencoded"},
            400,
            "too_many_fields",
        ),
    ],
)
async def test_hostile_bodies(live, anyone, make_chain, content, headers, status, code):
    made = await hook(live, make_chain, max_body_bytes=2000)
    answer = await anyone.post(made["url"], content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code


async def test_a_body_is_refused_as_it_comes_in(live, anyone, make_chain):
    made = await hook(live, make_chain, max_body_bytes=1000)
    sent = 0

    async def endless():
        nonlocal sent
        for _ in range(1000):
            sent += 1000
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    answer = await anyone.post(made["url"], content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "webhook",
    [
        {"headers": ["Authorization"]},
        {"headers": ["cookie"]},
        {"headers": ["a b"]},
        {"headers": ["x"] * 21},
        {"signature": {"scheme": "md5", "secret": "X"}},
        {"signature": {"scheme": "hex", "secret": "no such name!"}},
        {"signature": {"scheme": "hex"}},
        {"signature": {"scheme": "hex", "secret": "X", "header": "a\nb"}},
        {"delivery_header": ""},
        {"max_body_bytes": 10**9},
        {"max_wait_s": 3600},
        {"input_from": "nowhere"},
    ],
)
async def test_a_webhook_that_is_none_is_refused(client, make_chain, webhook):
    workflow = (await client.post(W, json=make_chain())).json()["id"]
    body = {"name": "h", "workflow_id": workflow, "webhook": webhook}
    answer = await client.post(T, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_neither_kind_nor_both(client, make_chain):
    workflow = (await client.post(W, json=make_chain())).json()["id"]
    body = {"name": "h", "workflow_id": workflow}
    both = {**body, "webhook": {}, "schedule": {"every_s": 60}}
    for strange in (body, both, {**body, "webhook": {}, "input": 1}):
        assert (await client.post(T, json=strange)).status_code == 422


async def test_what_is_wrong_inside_is_not_told_to_strangers(live, anyone, make_chain):
    made = await hook(live, make_chain)
    graph = make_chain({"id": "inner_name", "type": "code", "config": {"source": "def ("}})
    await live.put(f"{W}/{made['workflow_id']}", json=graph)
    answer = await anyone.post(made["url"], json=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "workflow_not_ready")
    assert "inner_name" not in answer.text
    failure = (await live.get(f"{T}/{made['id']}")).json()["failure"]
    assert failure["code"] == "invalid_graph"


async def test_each_webhook_and_each_address_has_its_rate(serve, tmp_path, make_chain):
    serving, settings_for = serve
    settings = settings_for(
        tmp_path,
        pilot_rate_hooks="2/hour",
        pilot_rate_address="1/hour",
        pilot_trusted_proxies=["127.0.0.1"],
    )
    async with serving(settings) as api:
        ada, anyone = api.client("ada"), api.client(None)
        one, two = [await hook(ada, make_chain) for _ in range(2)]

        async def called(url, address):
            answer = await anyone.post(url, headers={"X-Forwarded-For": f"192.0.2.{address}"})
            code = answer.json()["code"]
            assert answer.status_code != 429 or answer.headers["RateLimit-Remaining"] == "0"
            return answer.status_code, code

        # Temporal is not there: each of these is 503, and counts
        away, limited = (503, "temporal_unavailable"), (429, "rate_limited")
        assert [await called(one["url"], n) for n in range(3)] == [away, away, limited]
        assert [await called(two["url"], 7) for _ in range(2)] == [away, away]
        assert await called(one["url"], 7) == limited
        # who guesses is refused whatever they call
        assert await called("/api/v1/webhooks/guess", 8) == (404, "not_found")
        assert await called(two["url"], 8) == limited
