"""`ldnas key`: creates, lists and revokes keys, directly in the database; needs no running service."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.cli.commands import options
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.registry import ApiKeyRow, Engine

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke the keys of this home's service.")

Name = Annotated[str, typer.Argument(help="Name of the key: its user or machine.")]
ScopeName = Literal["read", "write", "admin"]


@app.command(epilog="Example: ldnas key create alice --scope read")
def create(
    name: Name,
    scope: Annotated[
        ScopeName, typer.Option(help="Permissions of the key; each scope includes the previous one.")
    ] = "write",
    quota: Annotated[
        int | None, typer.Option(min=0, help="Maximum unfinished recommendations of the key; default: LDNAS_QUOTA.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Create a key and print it; it is shown only once and only its hash is stored."""
    from service.api.security.tokens import draw_key, hash_of, prefix_of
    from worker.registry import Scope, unit_of_work

    if not name.strip() or len(name) > 64:
        raise typer.BadParameter("a name has 1 to 64 characters", param_hint="NAME")
    key = draw_key()
    with _database() as engine, unit_of_work(engine) as registry:
        row = registry.keys.insert(
            name=name.strip(), prefix=prefix_of(key), hash=hash_of(key), scope=Scope(scope), quota=quota
        )
    if as_json:
        options.print_json({**_facts(row), "key": key})
        return
    print(key)
    print(
        f"This is key {row.name!r} with scope {row.scope}. It is shown only once. Set it as LDNAS_API_KEY, or send it "
        "in the header `Authorization: Bearer`. From now on every request needs a key.",
        file=sys.stderr,
    )


@app.command("list", epilog="Example: ldnas key list")
def list_keys(as_json: options.AsJson = False) -> None:
    """List the keys, including revoked ones, by their first characters."""
    from service.client.display.keys import print_keys
    from worker.registry import reading

    with _database() as engine, reading(engine) as registry:
        keys = [_facts(row) for row in registry.keys.list()]
    if as_json:
        options.print_json(keys)
    else:
        print_keys(keys, now=time.time())


@app.command(epilog="Example: ldnas key revoke alice")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name, id, or first characters of the key.")],
    as_json: options.AsJson = False,
) -> None:
    """Revoke a key, and end all its browser sessions, at once."""
    from worker.registry import unit_of_work

    with _database() as engine, unit_of_work(engine) as registry:
        row = registry.keys.revoke(key)
    if as_json:
        options.print_json(_facts(row))
        return
    print(f"revoked key {row.name!r} ({row.prefix}…)", file=sys.stderr)


@contextmanager
def _database() -> "Iterator[Engine]":
    from service.api.security.setup import require_current
    from worker.registry import open_engine

    engine = open_engine(Settings.from_environment(os.environ).database_url)
    try:
        require_current(engine)
        yield engine
    finally:
        engine.dispose()


def _facts(row: "ApiKeyRow") -> dict[str, Any]:
    """The public fields of a key; times are seconds since the epoch."""
    names = ("id", "name", "prefix", "scope", "quota", "created_at", "last_used_at", "revoked_at")
    return {name: getattr(row, name) for name in names}
