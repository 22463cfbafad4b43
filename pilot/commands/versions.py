"""`pilot versions`, `diff`, `publish`, `unpublish` and `restore`."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from pilot.commands.options import (
    DEFAULT_DATA_DIR,
    WORKFLOWS,
    DataDir,
    Json,
    Server,
    User,
    examples,
    print_json,
)
from pilot.errors import PilotError

if TYPE_CHECKING:
    from pilot.versions import VersionName

WorkflowId = Annotated[str, typer.Argument(metavar="ID", help="A workflow's id.")]
Note = Annotated[str | None, typer.Option("--note", help="For those who read the list later.")]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", help="Which one: a number, `draft` (the newest) or `published`."),
]


def add_version_commands(app: typer.Typer) -> None:
    for command in (versions, diff, publish, unpublish, restore):
        app.command(rich_help_panel=WORKFLOWS)(command)


def version_name(text: str) -> VersionName:
    """Raises `PilotError`."""
    if text == "draft":
        return "draft"
    if text == "published":
        return "published"
    if text.isascii() and text.isdecimal():
        return int(text)
    raise PilotError(
        f"{text}: a version is a number, `draft` or `published`", code="invalid_version"
    )


@examples("pilot versions $ID", "pilot versions $ID --json | jq '.items[].version'")
def versions(
    workflow: WorkflowId,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """List a workflow's versions, newest first: who saved them, and what was published."""
    from pilot.listing import everything
    from pilot.signin import with_client
    from pilot.version_table import show_versions

    path = f"/workflows/{quote(workflow, safe='')}/versions"
    body = with_client(server, data_dir, user, lambda client: everything(client, path))
    if as_json:
        print_json(body)
    else:
        show_versions(body["items"])


@examples("pilot diff $ID", "pilot diff $ID 3 draft --cosmetic")
def diff(
    workflow: WorkflowId,
    old: Annotated[
        str, typer.Argument(metavar="[A]", help="A number, `draft` or `published`.")
    ] = "published",
    new: Annotated[str, typer.Argument(metavar="[B]", help="The same.")] = "draft",
    cosmetic: Annotated[
        bool, typer.Option("--cosmetic", help="Also positions and what else only a canvas sees.")
    ] = False,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Show what is different in version B; by default what publishing the newest would change."""
    from pilot.version_table import show_diff

    query = {"from": version_name(old), "to": version_name(new)}
    body = _ask(server, data_dir, user, "GET", workflow, "versions/diff", query=query)
    if as_json:
        print_json(body)
    else:
        show_diff(body, cosmetic)


@examples("pilot publish $ID --note Kinder", "pilot publish $ID --version 4")
def publish(
    workflow: WorkflowId,
    version: Annotated[
        int | None,
        typer.Option("--version", help="By default the newest; an older one rolls back."),
    ] = None,
    note: Note = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Make a version the one that runs by default. Exit code 2 where it could not run."""
    given = {"version": version, "note": note}
    body = _ask(server, data_dir, user, "POST", workflow, "publish", given)
    _say(f"version {body['version']} is published", body, as_json)


@examples("pilot unpublish $ID --note 'until the model is back'")
def unpublish(
    workflow: WorkflowId,
    note: Note = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Take a workflow offline: it starts no more runs until a version is published again."""
    body = _ask(server, data_dir, user, "POST", workflow, "unpublish", {"note": note})
    _say("the workflow is offline; runs that have begun go on", body, as_json)


@examples("pilot restore $ID 4")
def restore(
    workflow: WorkflowId,
    version: Annotated[int, typer.Argument(help="Whose content is to be the newest again.")],
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Save an old version's content as the newest version. What is published stays."""
    body = _ask(server, data_dir, user, "POST", workflow, f"versions/{version}/restore")
    _say(f"version {body['version']} is as version {version} was", body, as_json)


def _ask(
    server: str | None,
    data_dir: Path,
    user: str,
    method: str,
    workflow: str,
    what: str,
    body: Any = None,
    query: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Asked twice, each comes to the same."""
    from pilot.signin import with_client

    path = f"/workflows/{quote(workflow, safe='')}/{what}"
    return with_client(
        server,
        data_dir,
        user,
        lambda client: client.transport.request(method, path, body, query=query, repeat=True),
    )


def _say(text: str, body: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(body)
    else:
        typer.echo(text)
