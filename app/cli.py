"""The command line: what an operator can do from a shell."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help is quick

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.commands import DataDir, ExitCode
from app.commands import settings_of as _settings
from app.commands import telling as _telling
from app.export_words import Format, Subject
from app.webhook_commands import webhooks

ABOUT = (
    "Prepaid credits for AI products, on PostgreSQL.\n\n"
    "`tallystick up` starts everything on this machine. The other commands work on the same books: "
    "those in the data directory, or in the database that DATABASE_URL names. "
    "docs/configuration.md lists all settings."
)

cli = typer.Typer(
    help=ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
models = typer.Typer(help="The price book.", no_args_is_help=True)
admin = typer.Typer(help="Who is an administrator.", no_args_is_help=True)
cli.add_typer(models, name="models")
cli.add_typer(admin, name="admin")
cli.add_typer(webhooks, name="webhooks")


def _tell_version(is_asked: bool) -> None:  # noqa: FBT001 - how typer calls it
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"tallystick {version('tallystick')}")
        raise typer.Exit


@cli.callback()
def about(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the release and exit.", is_eager=True, callback=_tell_version
        ),
    ] = False,
) -> None:
    """Take what is said before the command."""
    del version


class Model(StrEnum):
    """Models that need no provider."""

    SMALL = "small"


Host = Annotated[
    str | None, typer.Option(help="Address to listen on; HOST or 127.0.0.1, if left out.")
]
Port = Annotated[
    int | None, typer.Option(help="Port to listen on, 0 for a free one; PORT or 8000, if left out.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes that serve behind one socket; PROCESSES or 1, if left out.",
        show_default=False,
    ),
]
Email = Annotated[str, typer.Argument(help="The account's address.", show_default=False)]


@cli.command()
def up(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    model: Annotated[
        Model | None,
        typer.Option(
            help="Answer with a model on this machine; make run-model installs it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start everything: PostgreSQL, migrations, price book, demo accounts, and the server."""
    with _telling():
        from app import up as trial
        from app.providers import OwnModel

        own_model = None if model is None else OwnModel(model)
        trial.up(_settings(data_dir, host=host, port=port), own_model=own_model)


@cli.command()
def serve(
    host: Host = None, port: Port = None, workers: Workers = None, data_dir: DataDir = None
) -> None:
    """Serve a migrated database; any number of processes may."""
    with _telling():
        from app import serving

        serving.serve(_settings(data_dir, host=host, port=port, processes=workers))


@cli.command()
def worker(data_dir: DataDir = None) -> None:
    """Run answers that wait, and serve nobody; any number of workers may."""
    with _telling():
        from app import working

        working.work(_settings(data_dir))


@cli.command()
def migrate(
    *,
    roles: Annotated[
        bool,
        typer.Option(
            "--roles",
            help="Only make our logins on this server, as before a backup is restored there.",
        ),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Bring the database to this release's form; running it again changes nothing."""
    with _telling():
        from app import operating

        if roles:
            operating.make_roles(_settings(data_dir))
            typer.echo("The server has our logins.")
            return
        revision = operating.migrate(_settings(data_dir))
        typer.echo(f"The database is at revision {revision}.")


@cli.command()
def verify(data_dir: DataDir = None) -> None:
    """Recompute every balance from the raw rows, and name each row that disagrees.

    Ends with 0 when all agree, with 1 when one does not.
    """
    with _telling():
        from app import operating

        report = operating.verify(_settings(data_dir))
        typer.echo("\n".join(report.lines()))
        if not report.is_clean:
            raise typer.Exit(ExitCode.FAILED)


@cli.command()
def reconcile(
    days: Annotated[int, typer.Option(min=1, max=365, help="How many days to look back.")] = 3,
    data_dir: DataDir = None,
) -> None:
    """Compare payments with the payment providers', and raise an alert for each difference.

    Ends with 0 when all agree, with 1 when one does not. No credits move.
    """
    with _telling():
        from app import reconciling

        outcome = reconciling.reconcile(_settings(data_dir), days=days)
        typer.echo("\n".join(outcome.lines()))
        if outcome.mismatches:
            raise typer.Exit(ExitCode.FAILED)


@cli.command()
def export(
    subject: Annotated[Subject, typer.Argument(help="What to write out.", show_default=False)],
    start: Annotated[
        str | None,
        typer.Option("--from", help="From this day (UTC) or time on; the beginning, if left out."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Up to this day or time (exclusive); or up to now.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Of this account only: its address, or its id.")
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="A table with a header, or an object a line.")
    ] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option(help="A file to write to; standard output, if left out.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write usage or the ledger out, oldest first, as of one moment and of any length.

    Ids, names and amounts are those of the API. While it runs nobody waits for it.
    """
    with _telling():
        from app import exporting

        exporting.export(
            _settings(data_dir),
            exporting.Export(
                subject=subject,
                start=start,
                end=end,
                account=account,
                format=format_,
                output=output,
            ),
        )


@models.command("load")
def load_models(
    file: Annotated[Path, typer.Argument(help="A price book such as models.toml.")],
    data_dir: DataDir = None,
) -> None:
    """Take models and prices from a file; a changed price holds from now on."""
    with _telling():
        from app import operating

        typer.echo(operating.load_models(_settings(data_dir), file))


@cli.command()
def token(email: Email, data_dir: DataDir = None) -> None:
    """Print an access token of an account, alone, good for 15 minutes."""
    with _telling():
        from app import operating

        typer.echo(operating.token(_settings(data_dir), email))


@admin.command()
def grant(email: Email, data_dir: DataDir = None) -> None:
    """Make an account an administrator's, from its next request on."""
    with _telling():
        from app import operating

        typer.echo(operating.set_admin(_settings(data_dir), email, is_admin=True))


@admin.command()
def revoke(email: Email, data_dir: DataDir = None) -> None:
    """Make an administrator's account an ordinary one, from its next request on."""
    with _telling():
        from app import operating

        typer.echo(operating.set_admin(_settings(data_dir), email, is_admin=False))


def main() -> None:
    """Run the command of this process's arguments; every request to end is told like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Under nohup a terminal that closes is ignored, and stays so.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        cli()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
