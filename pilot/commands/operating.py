"""What operators need: `pilot migrate`, `export-executions`, `forget` and `rotate-keys`."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pilot.commands.options import (
    DEFAULT_DATA_DIR,
    OPERATING,
    DataDir,
    Json,
    Server,
    User,
    examples,
    print_json,
)
from pilot.exits import Exit

if TYPE_CHECKING:
    from pilot.client import AsyncClient
    from pilot.store import Store


def add_operating_commands(app: typer.Typer) -> None:
    app.command(rich_help_panel=OPERATING)(migrate)
    app.command("export-executions", rich_help_panel=OPERATING)(export_executions)
    app.command(rich_help_panel=OPERATING)(forget)
    app.command("rotate-keys", rich_help_panel=OPERATING)(rotate_keys)


@examples(
    "DATABASE_URL=postgresql://… pilot migrate",
    "pilot migrate --supabase --database-url postgresql://…",
)
def migrate(
    supabase: Annotated[
        bool,
        typer.Option(
            "--supabase",
            help="Supabase's schema: printed as SQL, or applied with --database-url.",
        ),
    ] = False,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="Of Supabase's database (its direct connection)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create or upgrade the store's tables (DATABASE_URL, else SQLite in the data folder).

    Where the store is Supabase's API, only looks whether its schema is there. With --json:
    `{"from", "to"}`, the schema's revisions before (null: no tables) and now; of Supabase's
    `{"applied": [name]}`, or `{"sql"}` where it would be printed.
    """
    from pilot.settings import load_settings

    if supabase:
        from pilot.store.supabase.migrations import apply, script

        if database_url is None:
            sql = script()
            print_json({"sql": sql}) if as_json else typer.echo(sql)
            return
        applied = asyncio.run(apply(database_url))
        if as_json:
            print_json({"applied": applied})
        for name in () if as_json else applied or ("nothing: the schema is the newest",):
            typer.echo(f"applied {name}")
        return
    settings = load_settings()
    if settings.uses_supabase and database_url is None:
        from pilot.store.open import open_store

        asyncio.run(_ping(open_store(settings)))
        if as_json:
            print_json({"applied": []})
        return
    from pilot.store.migrate import migrate as upgrade
    from pilot.store.migrations import HEAD

    before = asyncio.run(upgrade(database_url or settings.store_url))
    if as_json:
        print_json({"from": before, "to": HEAD})
    elif before == HEAD:
        typer.echo(f"the tables are the newest ({HEAD})")
    else:
        typer.echo(f"the tables are made ({HEAD})" if before is None else f"{before} -> {HEAD}")


async def _ping(opening: Awaitable[Store]) -> None:
    store = await opening
    try:
        await store.ping()
    finally:
        await store.close()


@examples("pilot export-executions --from 2026-03-01 --to 2026-03-31 > march.jsonl")
def export_executions(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, inclusive.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only, by id.")] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Print a user's executions with their nodes and events, as lines of JSON."""
    from pilot.busy import busy
    from pilot.signin import with_client

    async def export(client: AsyncClient) -> None:
        found = client.executions.export(
            first=None if first is None else first.date(),
            last=None if last is None else last.date(),
            workflow_id=workflow,
        )
        count = 0
        with busy("exporting") as say:
            async for line in found:
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
                if line.get("kind") == "execution":
                    count += 1
                    say(f"exporting: {count:,} executions")

    with_client(server, data_dir, user, export)


@examples("pilot forget user_2x --yes")
def forget(
    owner: Annotated[
        str, typer.Argument(metavar="USER", help="The id of a user, or of an organisation.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Begin, and do not wait for the end.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete all that is a user's or an organisation's, for good.

    Runs that are open are cancelled. A worker does it, and goes on where it was after any crash;
    asked for again while it runs, it is the same deletion. Exit code 1 where it was ended. With
    --json: `{"status", "deleted": {kind: count}}`.
    """
    from pilot.busy import busy
    from pilot.forgetting import forget_and_wait
    from pilot.settings import load_settings

    settings = load_settings()
    if not yes:
        typer.confirm(f"Delete all that is {owner}'s, for good?", abort=True, err=True)
    with busy(f"deleting all that is {owner}'s"):
        found = asyncio.run(forget_and_wait(settings, owner, waits=not no_wait))
    if as_json:
        print_json({"status": found.status, "deleted": found.deleted})
    else:
        for kind, count in found.deleted.items():
            typer.echo(f"{count} {kind} deleted")
        typer.echo(found.status)
    raise typer.Exit(Exit.NO if found.status == "failed" else Exit.DONE)


@examples("pilot rotate-keys", "pilot rotate-keys --check")
def rotate_keys(
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit code 1 while an old key is in use."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Seal every stored secret by the newest key of PILOT_ENCRYPTION_KEY.

    May be stopped and run again. Exit code 1 where secrets are left that an old key sealed. With
    --json: `{"newest", "left", "secrets_by_key": {key: count}}` of --check, else
    `{"newest", "left", "resealed", "changed"}`; lines of progress go to stderr.
    """
    from pilot.rotation import keys_in_use, rotate_all
    from pilot.settings import load_settings

    settings = load_settings()

    def say(text: str) -> None:
        typer.echo(text, err=as_json)

    found = asyncio.run((keys_in_use if check else rotate_all)(settings, say))
    if as_json:
        shown = {"newest": found.newest, "left": found.left}
        print_json(
            {**shown, "secrets_by_key": found.secrets_by_key}
            if check
            else {**shown, "resealed": found.resealed, "changed": found.changed}
        )
    raise typer.Exit(Exit.NO if found.left else Exit.DONE)
