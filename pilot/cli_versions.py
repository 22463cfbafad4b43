"""`pilot versions`, `diff`, `publish`, `unpublish` and `restore`."""
# ruff: noqa: PLC0415 (see pilot.cli)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pilot.cli_options import DEFAULT_DATA_DIR, DataDir, Server, User
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
        app.command()(command)


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


def versions(
    workflow: WorkflowId,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """List a workflow's versions, newest first: who saved them, and what was published."""
    from pilot.launch import with_client
    from pilot.version_table import show_versions

    with_client(server, data_dir, user, lambda client: show_versions(client, workflow))


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
) -> None:
    """Show what is different in version B; by default what publishing the newest would change."""
    from pilot.launch import with_client
    from pilot.version_table import show_diff

    pair = version_name(old), version_name(new)
    with_client(server, data_dir, user, lambda client: show_diff(client, workflow, pair, cosmetic))


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
) -> None:
    """Make a version the one that runs by default. Exit code 2 where it could not run."""
    from pilot.launch import with_client

    done = with_client(
        server, data_dir, user, lambda client: client.versions.publish(workflow, version, note)
    )
    typer.echo(f"version {done.version} is published")


def unpublish(
    workflow: WorkflowId,
    note: Note = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Take a workflow offline: it starts no more runs until a version is published again."""
    from pilot.launch import with_client

    with_client(server, data_dir, user, lambda client: client.versions.unpublish(workflow, note))
    typer.echo("the workflow is offline; runs that have begun go on")


def restore(
    workflow: WorkflowId,
    version: Annotated[int, typer.Argument(help="Whose content is to be the newest again.")],
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Save an old version's content as the newest version. What is published stays."""
    from pilot.launch import with_client

    saved = with_client(
        server, data_dir, user, lambda client: client.versions.restore(workflow, version)
    )
    typer.echo(f"version {saved.version} is as version {version} was")
