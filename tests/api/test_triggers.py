"""Schedules: made, changed and listed without Temporal; run by a real one."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.scheduled import ScheduleKeeper
from pilot.triggers.schedules import PREFIX, Occurrence

W, E, T = "/api/v1/workflows", "/api/v1/executions", "/api/v1/triggers"
DAILY = {"cron": ["30 8 * * mon-fri"], "timezone": "Europe/Berlin"}
SPIN = {"source": "def main():\n    while True:\n        pass", "limits": {"time_s": 120}}
SLOW = {"id": "slow", "type": "code", "config": SPIN}


@pytest.fixture
def someone(api):
    return api.client(f"user_{uuid4().hex[:8]}")


@pytest.fixture
def live(live_api, worker):
    return live_api.client(f"user_{uuid4().hex[:8]}")


async def saved(client, make_chain, *nodes):
    return (await client.post(W, json=make_chain(*nodes))).json()["id"]


async def scheduled(client, workflow, schedule=DAILY, **fields):
    body = {"name": "s", "workflow_id": workflow, "schedule": schedule, **fields}
    answer = await client.post(T, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{T}/{answer.json()['id']}"
    return answer.json()


async def runs(client, trigger):
    answer = await client.get(f"{T}/{trigger['id']}/executions", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def until(condition, *, within_s=60):
    """What `await condition()` gives, as soon as it is true."""
    async with asyncio.timeout(within_s):
        while not (found := await condition()):
            await asyncio.sleep(0.1)
        return found


async def having(client, trigger, number, *statuses):
    async def look():
        found = await runs(client, trigger)
        if statuses:
            found = [row for row in found if row["status"] in statuses]
        return found if len(found) >= number else None

    return await until(look)


def times(rows):
    return [row["triggered"]["at"] for row in rows]


# without Temporal


async def test_a_schedule_is_made_read_changed_and_deleted(someone, make_chain):
    workflow = await saved(someone, make_chain)
    made = await scheduled(someone, workflow, input={"for": "{scheduled_at}"}, timeout_s=60)
    # Temporal is told as soon as it answers
    assert (made["state"], made["revision"], made["kind"]) == ("pending", 1, "schedule")
    assert made["schedule"]["overlap"] == "skip"
    assert made["failure"] is None
    assert "token" not in made and "webhook" not in made
    url = f"{T}/{made['id']}"
    read = await someone.get(url)
    assert read.headers["ETag"] == '"1"'
    assert "next_times" not in read.json()
    change = {"name": "n", "schedule": {"every_s": 60, "offset_s": 5}, "note": "x"}
    answer = await someone.put(url, json=change, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["revision"]) == (200, 2)
    assert (answer.json()["schedule"]["every_s"], answer.json()["timeout_s"]) == (60, None)
    for how in ({"headers": {"If-Match": '"1"'}}, {"extra": {"revision": 1}}):
        body = {**change, "name": "o", **how.get("extra", {})}
        stale = await someone.put(url, json=body, headers=how.get("headers"))
        assert (stale.status_code, stale.json()["code"]) == (409, "stale_version")
    paused = await someone.post(f"{url}/pause", json={"note": "holiday"})
    assert (paused.json()["paused"], paused.json()["note"]) == (True, "holiday")
    assert (await someone.post(f"{url}/resume")).json()["paused"] is False
    assert (await someone.get(f"{url}/executions")).json() == {"items": [], "next_cursor": None}
    for action in ("run", "backfill"):
        spell = {"start_at": "2026-01-01T00:00:00Z", "end_at": "2026-01-02T00:00:00Z"}
        away = await someone.post(f"{url}/{action}", json=spell if action == "backfill" else None)
        assert (away.status_code, away.json()["code"]) == (503, "temporal_unavailable")
    assert (await someone.post(f"{url}/rotate")).json()["code"] == "no_webhook"
    other = await someone.put(url, json={"name": "n", "webhook": {}})
    assert (other.status_code, other.json()["code"]) == (422, "other_kind")
    refused = await someone.delete(f"{W}/{workflow}")
    assert (refused.status_code, refused.json()["code"]) == (409, "has_triggers")
    assert (await someone.delete(url)).status_code == 204
    assert (await someone.delete(url)).status_code == 404
    assert (await someone.delete(f"{W}/{workflow}")).status_code == 204


async def test_a_repetition_makes_no_second_one(someone, make_chain):
    workflow = await saved(someone, make_chain)
    for kind in ({"webhook": {}}, {"schedule": DAILY}):
        key = {"Idempotency-Key": " ".join(kind)}
        body = {"name": "n", "workflow_id": workflow, **kind}
        if "schedule" in kind:
            body["input"] = {"a": 1}
        answers = await asyncio.gather(*(someone.post(T, json=body, headers=key) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {201}, answers[0].text
        first, *others = (answer.json() for answer in answers)
        assert {one["id"] for one in others} == {first["id"]}
        if "webhook" in kind:
            assert {one["token"] for one in others} == {first["token"]} != {None}
        assert [one.headers.get("Idempotent-Replayed") for one in answers].count("true") == 2
        for changed in ({"name": "m"}, {"note": "x"}):
            other = await someone.post(T, json=body | changed, headers=key)
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        mine = await someone.post(T, json=body)
        assert mine.json()["id"] != first["id"]
    bad = await someone.post(T, json=body, headers={"Idempotency-Key": "x" * 300})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_idempotency_key")


async def test_a_rotated_token_is_not_told_again(someone, make_chain):
    body = {"name": "n", "workflow_id": await saved(someone, make_chain), "webhook": {}}
    key = {"Idempotency-Key": "rotated"}
    made = (await someone.post(T, json=body, headers=key)).json()
    turned = (await someone.post(f"{T}/{made['id']}/rotate")).json()
    assert turned["token"] not in (made["token"], None)
    again = await someone.post(T, json=body, headers=key)
    assert (again.json()["id"], again.json().get("token")) == (made["id"], None)


async def test_the_list_is_the_owners_and_by_workflow(api, someone, make_chain):
    one, two = await saved(someone, make_chain), await saved(someone, make_chain)
    made = [await scheduled(someone, workflow) for workflow in (one, two, one)]
    first = (await someone.get(T, params={"limit": 2})).json()
    rest = (await someone.get(T, params={"cursor": first["next_cursor"]})).json()
    listed = [item["id"] for item in (*first["items"], *rest["items"])]
    assert listed == [item["id"] for item in reversed(made)]
    of_one = (await someone.get(T, params={"workflow_id": one})).json()["items"]
    assert [item["id"] for item in of_one] == [made[2]["id"], made[0]["id"]]
    assert (await someone.get(T, params={"kind": "webhook"})).json()["items"] == []
    stranger = api.client(f"user_{uuid4().hex[:8]}")
    assert (await stranger.get(T)).json()["items"] == []
    assert (await stranger.get(T, params={"workflow_id": one})).status_code == 404
    body = {"name": "s", "workflow_id": one, "schedule": DAILY}
    assert (await stranger.post(T, json=body)).status_code == 404
    assert (await stranger.get(f"{T}/{made[0]['id']}")).status_code == 404


@pytest.mark.parametrize(
    "schedule",
    [
        {},
        {"cron": []},
        {"cron": ["61 * * * *"]},
        {"cron": ["* * * * * *"]},
        {"cron": ["@reboot"]},
        {"cron": ["0 0 30 2 *"]},
        {"cron": ["* * * * *"] * 21},
        {"every_s": 0},
        {"every_s": -5},
        {"every_s": 1e12},
        {"every_s": 60, "offset_s": 60},
        {"cron": ["* * * * *"], "timezone": "Mars/Olympus"},
        {"cron": ["* * * * *"], "timezone": "../../etc/passwd"},
        {"cron": ["* * * * *"], "timezone": "localtime"},
        {"cron": ["* * * * *"], "overlap": "maybe"},
        {"cron": ["* * * * *"], "catchup_window_s": 1},
        {"cron": ["* * * * *"], "start_at": "2026-01-01T00:00:00"},
        {
            "cron": ["* * * * *"],
            "start_at": "2026-01-02T00:00:00Z",
            "end_at": "2026-01-01T00:00:00Z",
        },
        {"cron": ["* * * * *"], "command": "rm"},
    ],
)
async def test_a_schedule_that_is_none_is_refused(someone, make_chain, schedule):
    workflow = await saved(someone, make_chain)
    body = {"name": "s", "workflow_id": workflow, "schedule": schedule}
    answer = await someone.post(T, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert answer.json()["issues"]


async def test_the_operator_bounds_how_often(serve, tmp_path, make_chain):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, pilot_schedule_min_s=60)) as api:
        client = api.client()
        workflow = await saved(client, make_chain)
        body = {"name": "s", "workflow_id": workflow, "schedule": {"every_s": 59}}
        answer = await client.post(T, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "interval_too_short")
        assert (await scheduled(client, workflow, {"every_s": 60}))["schedule"]["every_s"] == 60


# with Temporal


async def test_each_time_is_one_execution(live_api, live, make_chain):
    workflow = await saved(live, make_chain)
    trigger = await scheduled(
        live, workflow, {"every_s": 2}, input={"for": "{scheduled_at}", "x": ["{scheduled_at}"]}
    )
    assert trigger["state"] == "active"
    done = await having(live, trigger, 3, "succeeded")
    assert len(set(times(done))) == len(done)
    for row in done:
        full = (await live.get(f"{E}/{row['id']}")).json()
        at = datetime.fromisoformat(row["triggered"]["at"])
        assert at.timestamp() % 2 == 0
        assert datetime.fromisoformat(full["output"]["for"]) == at
        assert full["output"]["x"] == [full["output"]["for"]]
        assert row["triggered"]["type"] == "schedule"
        assert Occurrence(trigger["id"], at).execution_id == row["id"]
        # the workflow that began it is told of its end
        handle = live_api.parts.runs.client.get_workflow_handle(
            Occurrence(trigger["id"], at).workflow_id
        )
        assert (await asyncio.wait_for(handle.result(), 20))["status"] == "succeeded"
    url = f"{T}/{trigger['id']}"
    assert (await live.post(f"{url}/pause", json={"note": "n"})).json()["state"] == "paused"
    await asyncio.sleep(1)
    number = len(await runs(live, trigger))
    await asyncio.sleep(4)
    assert len(await runs(live, trigger)) == number
    # paused or not, it is run when asked
    assert (await live.post(f"{url}/run")).status_code == 202
    assert len(await having(live, trigger, number + 1)) == number + 1
    assert (await live.delete(url)).status_code == 204
    async with asyncio.timeout(20):  # Temporal's lists come after
        while trigger["id"] in await live_api.parts.runs.schedules.ids():
            await asyncio.sleep(0.2)


async def test_a_backfill_runs_what_was_missed_and_nothing_twice(live, make_chain):
    workflow = await saved(live, make_chain)
    trigger = await scheduled(
        live, workflow, {"cron": ["0 * * * *"], "timezone": "Asia/Kolkata"}, paused=True
    )
    spell = {"start_at": "2026-03-01T00:30:00Z", "end_at": "2026-03-01T03:30:00Z"}
    url = f"{T}/{trigger['id']}/backfill"
    assert (await live.post(url, json=spell)).status_code == 202
    done = await having(live, trigger, 4, "succeeded")
    assert sorted(times(done)) == [f"2026-03-01T0{hour}:30:00Z" for hour in range(4)]
    more = {**spell, "end_at": "2026-03-01T04:30:00Z", "overlap": "allow_all"}
    assert (await live.post(url, json=more)).status_code == 202
    done = await having(live, trigger, 5, "succeeded")
    await asyncio.sleep(1)
    assert len(await runs(live, trigger)) == 5
    for strange in (
        {**spell, "end_at": "2020-01-01T00:00:00Z"},
        {**spell, "start_at": "2020-01-01T00:00:00Z"},
        {**spell, "end_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
    ):
        assert (await live.post(url, json=strange)).status_code == 422


async def test_the_next_times_are_those_of_the_zone(live, make_chain):
    workflow = await saved(live, make_chain)

    async def next_times(*cron, **more):
        trigger = await scheduled(live, workflow, {"cron": list(cron), **more})
        found = (await live.get(f"{T}/{trigger['id']}")).json()["next_times"]
        await live.delete(f"{T}/{trigger['id']}")
        return [datetime.fromisoformat(text) for text in found]

    berlin = {"timezone": "Europe/Berlin", "start_at": "2027-03-01T00:00:00Z"}
    # summer time begins there on 28 March 2027 at 2:00
    found = await next_times("30 8 27,28 3 *", **berlin)
    assert found[:2] == [
        datetime(2027, 3, 27, 7, 30, tzinfo=UTC),
        datetime(2027, 3, 28, 6, 30, tzinfo=UTC),
    ]
    # a time that the clock leaps over is not run, one that it repeats is run once
    found = await next_times("30 2 28,29 3 *", **berlin)
    assert found[0] == datetime(2027, 3, 29, 0, 30, tzinfo=UTC)
    found = await next_times("30 2 31 10 *", **berlin)
    assert [moment.year for moment in found[:2]] == [2027, 2028]
    # either of the days, as crontab has it
    found = await next_times("0 0 13 * fri", start_at="2027-03-10T00:00:00Z")
    assert [moment.date().isoformat() for moment in found[:3]] == [
        "2027-03-12",
        "2027-03-13",
        "2027-03-19",
    ]
    found = await next_times("0 0 1 * *", end_at="2027-03-01T00:00:00Z")
    assert found[-1] == datetime(2027, 3, 1, tzinfo=UTC)


async def open_runs(live, trigger):
    return [row for row in await runs(live, trigger) if not row["finished_at"]]


async def test_skip_leaves_times_out_while_the_execution_is_open(live, make_chain):
    workflow = await saved(live, make_chain, SLOW)
    trigger = await scheduled(live, workflow, {"every_s": 1})
    [first] = await having(live, trigger, 1, "running")
    await asyncio.sleep(4)
    assert [row["id"] for row in await runs(live, trigger)] == [first["id"]]
    shown = (await live.get(f"{T}/{trigger['id']}")).json()
    assert (shown["skipped"] >= 2, shown["missed"]) == (True, 0)
    assert (await live.post(f"{E}/{first['id']}/cancel")).status_code == 202
    await having(live, trigger, 2)
    await live.post(f"{T}/{trigger['id']}/pause")
    for row in await open_runs(live, trigger):
        await live.post(f"{E}/{row['id']}/cancel")


@pytest.mark.parametrize(
    ("overlap", "code"), [("cancel_other", "cancelled"), ("terminate_other", "replaced")]
)
async def test_the_execution_before_is_ended_first(live, make_chain, overlap, code):
    workflow = await saved(live, make_chain, SLOW)
    trigger = await scheduled(live, workflow, {"every_s": 3, "overlap": overlap})
    ended = await having(live, trigger, 1, "cancelled")
    await live.post(f"{T}/{trigger['id']}/pause")
    assert ended[0]["error"]["code"] == code
    rows = await runs(live, trigger)
    assert len([row for row in rows if row["status"] in ("running", "queued")]) <= 1
    for row in await open_runs(live, trigger):
        await live.post(f"{E}/{row['id']}/cancel")


async def test_allow_all_runs_them_side_by_side(live, make_chain):
    workflow = await saved(live, make_chain, SLOW)
    trigger = await scheduled(live, workflow, {"every_s": 1, "overlap": "allow_all"})
    await having(live, trigger, 2, "running")
    await live.post(f"{T}/{trigger['id']}/pause")
    for row in await open_runs(live, trigger):
        await live.post(f"{E}/{row['id']}/cancel")


@pytest.mark.parametrize(("overlap", "waits"), [("buffer_one", 1), ("buffer_all", 3)])
async def test_times_wait_for_the_end_of_the_execution_before(live, make_chain, overlap, waits):
    """Of three times that come while the first execution is open, one or all are run, in turn."""
    workflow = await saved(live, make_chain, SLOW)
    trigger = await scheduled(live, workflow, DAILY | {"overlap": overlap}, paused=True)
    url = f"{T}/{trigger['id']}"
    assert (await live.post(f"{url}/run")).status_code == 202
    [running] = await having(live, trigger, 1, "running")
    for _ in range(3):
        await asyncio.sleep(1.1)  # a time has seconds
        assert (await live.post(f"{url}/run")).status_code == 202
    ended = set()
    while len(ended) <= waits:
        assert len(await open_runs(live, trigger)) == 1
        assert (await live.post(f"{E}/{running['id']}/cancel")).status_code == 202
        ended.add(running["id"])
        await having(live, trigger, len(ended), "cancelled")
        if len(ended) <= waits:
            running = (await having(live, trigger, 1, "running"))[0]
    await asyncio.sleep(2)
    assert len(await runs(live, trigger)) == 1 + waits


async def test_what_cannot_be_begun_is_said(live_api, live, make_chain):
    workflow = await saved(live, make_chain)
    trigger = await scheduled(live, workflow, {"every_s": 1})
    await having(live, trigger, 1)
    broken = make_chain({"id": "bad", "type": "code", "config": {"source": "def ("}})
    assert (await live.put(f"{W}/{workflow}", json=broken)).status_code == 200

    async def failure():
        return (await live.get(f"{T}/{trigger['id']}")).json()["failure"]

    found = await until(failure)
    assert found["code"] == "invalid_graph"
    assert (await live.put(f"{W}/{workflow}", json=make_chain())).status_code == 200

    async def recovered():
        return await failure() is None

    await until(recovered)
    await live.delete(f"{T}/{trigger['id']}")


async def test_the_keeper_brings_temporal_in_line_with_the_rows(live_api, live, make_chain):
    schedules, store = live_api.parts.runs.schedules, live_api.parts.store
    keeper = ScheduleKeeper(store, schedules)
    keeper.SETTLED = timedelta(0)
    workflow = await saved(live, make_chain)
    lost, changed, gone = [await scheduled(live, workflow) for _ in range(3)]

    async def listed(*wanted):
        there = await schedules.ids()
        return all((one["id"] in there) is is_there for one, is_there in wanted)

    await until(lambda: listed((lost, True), (changed, True), (gone, True)))
    await schedules.delete(lost["id"])
    row = await store.triggers.get(changed["id"])
    await store.triggers.update(type(row)(**{**fields_of(row), "paused": True, "note": "why"}))
    await store.triggers.delete(gone["id"])
    await until(lambda: listed((lost, False)))
    await keeper.keep()
    await until(lambda: listed((lost, True), (changed, True), (gone, False)))
    handle = live_api.parts.runs.client.get_schedule_handle(PREFIX + changed["id"])
    state = (await handle.describe()).schedule.state
    assert (state.paused, state.note) == (True, "why")
    assert (await live.get(f"{T}/{changed['id']}")).json()["state"] == "paused"
    for one in (lost, changed):
        await live.delete(f"{T}/{one['id']}")


def fields_of(row):
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


async def test_a_schedule_of_another_installation_is_left_alone(live_api, live, make_chain):
    from pilot.triggers.schedules import Schedules

    workflow = await saved(live, make_chain)
    trigger = await scheduled(live, workflow)
    schedules = live_api.parts.runs.schedules

    async def listed():
        return trigger["id"] in await schedules.ids()

    await until(listed)
    theirs = Schedules(live_api.parts.runs.client, "somebody-elses-queue")
    assert trigger["id"] not in await theirs.ids()
    await live.delete(f"{T}/{trigger['id']}")


async def test_the_starter_ends_with_an_execution_that_is_terminated(live_api, live, make_chain):
    """Nobody in a worker can tell it; whoever closes the row does."""
    workflow = await saved(live, make_chain, SLOW)
    trigger = await scheduled(live, workflow, {"cron": ["0 0 1 1 *"]})
    assert (await live.post(f"{T}/{trigger['id']}/run")).status_code == 202
    [row] = await having(live, trigger, 1, "running")
    at = datetime.fromisoformat(row["triggered"]["at"])
    client = live_api.parts.runs.client
    starter = client.get_workflow_handle(Occurrence(trigger["id"], at).workflow_id)
    assert (await starter.describe()).status is WorkflowExecutionStatus.RUNNING
    await live.post(f"{E}/{row['id']}/cancel")
    await asyncio.wait_for(starter.result(), 30)
    await live.delete(f"{T}/{trigger['id']}")
