"""Decisions about triggers. The row is written first; of a schedule Temporal is told then, or by
the reconciler as soon as it answers."""

from __future__ import annotations

import hashlib
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid4, uuid5

from api.etag import Tag, if_match_tags
from api.executions.resource import summary_out
from api.executions.schemas import ExecutionSummaryOut
from api.executions.start import key_of
from api.pagination import PageOut, PageQuery
from api.parts import Parts
from api.problems import Problem
from api.triggers.schemas import (
    BackfillIn,
    FailureOut,
    NewTriggerOut,
    PauseIn,
    TriggerChange,
    TriggerIn,
    TriggerOut,
    TriggerUpdate,
)
from pilot.errors import PilotError
from pilot.store.triggers import Trigger, TriggerKind
from pilot.triggers.configuration import ScheduleConfig, WebhookConfig

log = logging.getLogger(__name__)

TOKEN_PREFIX = "whk_"  # noqa: S105
HINT_CHARS = 4
_KEYS = uuid5(NAMESPACE_URL, "https://pilot.local/trigger-key")
MAX_BACKFILL_S = 366 * 86_400.0


def token_hash(token: str) -> str:
    """A token is 32 random bytes, so a plain SHA-256 of it cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def url_of(token: str) -> str:
    return f"/api/v1/webhooks/{token}"


async def create(
    parts: Parts, owner: str, user_id: str, body: TriggerIn, key: str | None
) -> tuple[NewTriggerOut, bool]:
    """The trigger, and whether it was there before, by its `key`. Raises `Problem` (400, 422)."""
    _require_rate(parts, body)
    now = datetime.now(UTC)
    trigger = Trigger(
        id=_id_of(owner, user_id, key),
        owner=owner,
        workflow_id=body.workflow_id,
        kind=body.kind,
        created_by=user_id,
        name=body.name,
        definition=body.definition,
        created_at=now,
        updated_at=now,
        input=body.input,
        timeout_s=body.timeout_s,
        paused=body.paused,
        note=body.note,
    )
    if key is not None and (before := await parts.store.triggers.get(trigger.id)) is not None:
        return await _repeated(parts, before, trigger), True
    token = None
    if trigger.kind is TriggerKind.WEBHOOK:
        trigger, token = _with_token(trigger, next(_tokens(parts, trigger), None) if key else None)
    try:
        await parts.store.triggers.create(trigger)
    except PilotError:
        # the same request at the same time was first
        if key is None or (before := await parts.store.triggers.get(trigger.id)) is None:
            raise
        return await _repeated(parts, before, trigger), True
    return _new(await _synced(parts, trigger), token), False


def _id_of(owner: str, user_id: str, key: str | None) -> str:
    """A new id; with a key always the same one for the same caller."""
    if key is None:
        return str(uuid4())
    return str(uuid5(_KEYS, f"{owner}\n{user_id}\n{key_of(key)}"))


async def _repeated(parts: Parts, before: Trigger, wanted: Trigger) -> NewTriggerOut:
    """The trigger of a key, with its token where that is still the one that it was made with."""
    is_changed = before.revision > 1  # what it was at first nobody knows any more
    if before.workflow_id != wanted.workflow_id or not (is_changed or _same(before, wanted)):
        raise Problem(
            422,
            "idempotency_key_reused",
            f"The Idempotency-Key belongs to trigger {before.id}, which is another one.",
        )
    known = (one for one in _tokens(parts, before) if token_hash(one) == before.token_hash)
    return _new(await _synced(parts, before), next(known, None))


def _same(before: Trigger, wanted: Trigger) -> bool:
    kept = ("kind", "name", "definition", "input", "timeout_s", "paused", "note")
    return all(getattr(before, name) == getattr(wanted, name) for name in kept)


def _tokens(parts: Parts, trigger: Trigger) -> Iterator[str]:
    """The tokens that a webhook has which was made with a key, by each of the operator's keys:
    whoever asks again with it is told the same, though only its hash is kept."""
    if parts.keyring is None:
        return
    for mac in parts.keyring.macs(trigger.id.encode(), "webhook token"):
        yield TOKEN_PREFIX + urlsafe_b64encode(mac).decode().rstrip("=")


async def read(parts: Parts, trigger: Trigger) -> TriggerOut:
    shown = trigger_out(trigger)
    if trigger.kind is TriggerKind.SCHEDULE:
        try:
            async with parts.runs.answering():
                outlook = await parts.runs.schedules.outlook(trigger.id)
        except Problem:
            log.info("Temporal does not say when schedule %s is next", trigger.id)
            outlook = None
        if outlook is not None:
            shown.next_times = list(outlook.next_times)
            shown.skipped, shown.missed = outlook.skipped, outlook.missed
    return shown


async def listing(
    parts: Parts,
    owner: str,
    page: PageQuery,
    workflow_id: str | None,
    kind: TriggerKind | None,
) -> PageOut[TriggerOut]:
    found = await parts.store.triggers.listing(
        owner, workflow_id=workflow_id, kind=kind, limit=page.limit, cursor=page.cursor
    )
    return PageOut(items=[trigger_out(one) for one in found.items], next_cursor=found.next_cursor)


async def update(
    parts: Parts, trigger: Trigger, body: TriggerUpdate, if_match: str | None
) -> TriggerOut:
    """Raises `Problem` (422 `other_kind`), `StaleVersionError`."""
    if body.kind is not trigger.kind:
        raise Problem(422, "other_kind", f"It is a {trigger.kind}, and stays one.")
    _require_rate(parts, body)
    allowed = if_match_tags(if_match)
    if allowed is not None and (
        Tag(trigger.revision) not in allowed or body.revision not in (None, trigger.revision)
    ):
        raise Problem(
            409,
            "stale_version",
            f"The trigger is at revision {trigger.revision}, and was changed meanwhile.",
            headers={"ETag": f'"{trigger.revision}"'},
        )
    wanted = replace(
        trigger,
        name=body.name,
        definition=body.definition,
        input=body.input,
        timeout_s=body.timeout_s,
        paused=body.paused,
        note=body.note,
    )
    expected = body.revision if allowed is None else trigger.revision
    return trigger_out(await _saved(parts, wanted, expected))


async def set_paused(
    parts: Parts, trigger: Trigger, paused: bool, body: PauseIn | None = None
) -> TriggerOut:
    """Idempotent. Raises `StaleVersionError` where somebody changed it at the same time."""
    note = body.note if body is not None and body.note is not None else ""
    wanted = replace(trigger, paused=paused, note=note)
    return trigger_out(await _saved(parts, wanted, trigger.revision))


async def delete(parts: Parts, trigger: Trigger) -> None:
    """What it has begun goes on."""
    await parts.store.triggers.delete(trigger.id)
    if trigger.kind is not TriggerKind.SCHEDULE:
        return
    try:
        async with parts.runs.answering():
            await parts.runs.schedules.delete(trigger.id)
    except Problem as problem:
        log.warning("schedule %s is deleted by the reconciler: %s", trigger.id, problem.code)


async def rotate(parts: Parts, trigger: Trigger) -> NewTriggerOut:
    """A new token; the old one is unknown from now on."""
    if trigger.kind is not TriggerKind.WEBHOOK:
        raise Problem(409, "no_webhook", "Only a webhook has a token.")
    wanted, token = _with_token(trigger)
    return _new(await parts.store.triggers.update(wanted, expected=trigger.revision), token)


async def run_now(parts: Parts, trigger: Trigger) -> TriggerOut:
    _require_schedule(trigger)
    async with parts.runs.answering():
        trigger = await _told(parts, trigger)
        await parts.runs.schedules.run_now(trigger.id)
    return trigger_out(trigger)


async def backfill(parts: Parts, trigger: Trigger, body: BackfillIn) -> TriggerOut:
    _require_schedule(trigger)
    if (body.end_at - body.start_at).total_seconds() > MAX_BACKFILL_S:
        raise Problem(422, "backfill_too_long", "A backfill covers at most a year.")
    if body.end_at > datetime.now(UTC):
        raise Problem(422, "backfill_in_future", "`end_at` is in the future.")
    async with parts.runs.answering():
        trigger = await _told(parts, trigger)
        await parts.runs.schedules.backfill(trigger.id, body.start_at, body.end_at, body.overlap)
    return trigger_out(trigger)


async def executions(
    parts: Parts, trigger: Trigger, page: PageQuery
) -> PageOut[ExecutionSummaryOut]:
    found = await parts.store.triggered(
        trigger.owner, trigger.key, limit=page.limit, cursor=page.cursor
    )
    return PageOut.model_construct(
        items=[summary_out(parts.settings, row) for row in found.items],
        next_cursor=found.next_cursor,
    )


async def _saved(parts: Parts, wanted: Trigger, expected: int | None) -> Trigger:
    return await _synced(parts, await parts.store.triggers.update(wanted, expected=expected))


async def _synced(parts: Parts, trigger: Trigger) -> Trigger:
    """The trigger, of which Temporal was told if it answers."""
    try:
        async with parts.runs.answering():
            return await _told(parts, trigger)
    except Problem as problem:
        log.warning("schedule %s is made by the reconciler: %s", trigger.id, problem.code)
        return trigger


async def _told(parts: Parts, trigger: Trigger) -> Trigger:
    if trigger.kind is not TriggerKind.SCHEDULE or trigger.applied == trigger.revision:
        return trigger
    return replace(await parts.runs.schedules.sync(parts.store, trigger), applied=trigger.revision)


def _require_schedule(trigger: Trigger) -> None:
    if trigger.kind is not TriggerKind.SCHEDULE:
        raise Problem(409, "no_schedule", "Only a schedule has times.")


def _require_rate(parts: Parts, body: TriggerChange) -> None:
    least = parts.settings.schedule_min_s
    every = None if body.schedule is None else body.schedule.every_s
    if every is not None and every < least:
        raise Problem(
            422, "interval_too_short", f"`every_s` is at least {least:g} s on this server."
        )


def _with_token(trigger: Trigger, token: str | None = None) -> tuple[Trigger, str]:
    """With a new one, unless it is given."""
    token = token or TOKEN_PREFIX + secrets.token_urlsafe(32)
    return replace(trigger, token_hash=token_hash(token), hint=token[-HINT_CHARS:]), token


def _new(trigger: Trigger, token: str | None) -> NewTriggerOut:
    shown = NewTriggerOut(**trigger_out(trigger).model_dump())
    shown.token, shown.url = token, None if token is None else url_of(token)
    return shown


def trigger_out(trigger: Trigger) -> TriggerOut:
    is_schedule = trigger.kind is TriggerKind.SCHEDULE
    state = "paused" if trigger.paused else "active"
    if is_schedule and trigger.applied != trigger.revision:
        state = "pending"
    definition = trigger.definition
    return TriggerOut.model_construct(
        id=trigger.id,
        kind=trigger.kind,
        workflow_id=trigger.workflow_id,
        name=trigger.name,
        state=state,
        paused=trigger.paused,
        note=trigger.note,
        revision=trigger.revision,
        created_by=trigger.created_by,
        created_at=trigger.created_at,
        updated_at=trigger.updated_at,
        timeout_s=trigger.timeout_s,
        schedule=ScheduleConfig.model_validate(definition) if is_schedule else None,
        webhook=None if is_schedule else WebhookConfig.model_validate(definition),
        input=trigger.input,
        hint=trigger.hint,
        failure=None if trigger.failure is None else FailureOut(**trigger.failure),
        next_times=None,
        skipped=None,
        missed=None,
    )
