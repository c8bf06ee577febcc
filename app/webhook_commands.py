"""`tallystick webhooks`: the commands, and what they take."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help is quick

from typing import Annotated

import typer

from app.commands import DataDir, ExitCode, settings_of, telling

webhooks = typer.Typer(
    help="What your systems are told (docs/webhooks.md), and what did not arrive.",
    no_args_is_help=True,
)

Event = Annotated[
    str, typer.Argument(help="An event's id, as in its webhook-id header.", show_default=False)
]
AnyEvent = Annotated[
    str | None,
    typer.Argument(help="An event's id, as in its webhook-id header.", show_default=False),
]
OneEndpoint = Annotated[
    str | None, typer.Option("--endpoint", help="Only this endpoint.", show_default=False)
]
OnlyDead = Annotated[bool, typer.Option("--dead", help="Only what was given up.")]


@webhooks.command("list")
def list_deliveries(
    *,
    dead: OnlyDead = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what is on its way.")] = False,
    endpoint: OneEndpoint = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    data_dir: DataDir = None,
) -> None:
    """Show deliveries, the newest first, and what the last try of each came to."""
    with telling():
        from app import telling_office
        from domain.telling import DeliveryState

        if dead and waiting:
            raise typer.BadParameter("say --dead or --waiting, not both.")
        state = DeliveryState.DEAD if dead else DeliveryState.WAITING if waiting else None
        for line in telling_office.listed(
            settings_of(data_dir), state=state, endpoint=endpoint, limit=limit
        ):
            typer.echo(line)


@webhooks.command()
def show(event: Event, data_dir: DataDir = None) -> None:
    """Show how an event stands with each endpoint, and every try."""
    with telling():
        from app import telling_office

        for line in telling_office.shown(settings_of(data_dir), event):
            typer.echo(line)


@webhooks.command()
def replay(
    event: AnyEvent = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(help="All events told since this day (UTC) or time on.", show_default=False),
    ] = None,
    dead: OnlyDead = False,
    endpoint: OneEndpoint = None,
    data_dir: DataDir = None,
) -> None:
    """Send events again, whatever became of them: one, those since a time, or those given up.

    Without --dead, endpoints that were not there yet get them as well.
    """
    with telling():
        from app import telling_office
        from app.moments import moment

        if event is None and since is None and not dead:
            raise typer.BadParameter("name an event, or say --since or --dead.")
        typer.echo(
            telling_office.replay(
                settings_of(data_dir),
                name=event,
                since=None if since is None else moment("--since", since),
                only_dead=dead,
                endpoint=endpoint,
            )
        )


@webhooks.command()
def dismiss(event: AnyEvent = None, *, dead: OnlyDead = False, data_dir: DataDir = None) -> None:
    """Give up what waits of an event, or everything that is dead; then it is forgotten in time."""
    with telling():
        from app import telling_office

        if event is None and not dead:
            raise typer.BadParameter("name an event, or say --dead.")
        typer.echo(telling_office.dismiss(settings_of(data_dir), name=event, only_dead=dead))


@webhooks.command("test")
def ping_endpoints(endpoint: OneEndpoint = None, data_dir: DataDir = None) -> None:
    """Send a `ping` event to each endpoint and say what it answered.

    Ends with 0 when all accepted it, with 1 when one did not. One that had said that it was gone
    and accepts is sent events again.
    """
    with telling():
        from app import telling_office

        replies = telling_office.pinged(settings_of(data_dir), endpoint=endpoint)
        for name, reply in replies.items():
            typer.echo(
                f"{name}: {telling_office.outcome(reply.status, reply.fault)} in {reply.took_ms} ms"
            )
        if not all(reply.is_accepted for reply in replies.values()):
            raise typer.Exit(ExitCode.FAILED)
