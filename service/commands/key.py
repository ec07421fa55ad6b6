"""`ldnas key`: make, list and revoke keys. Works on the database itself, like `ldnas migrate`; needs no service."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.commands import options
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.registry.models import ApiKey
    from worker.registry.session import Engine

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys that open this home's service.")

Name = Annotated[str, typer.Argument(help="What the key is for: a person, a machine.")]
ScopeName = Literal["read", "write", "admin"]


@app.command(epilog="Example: ldnas key create alice --scope read")
def create(
    name: Name,
    scope: Annotated[ScopeName, typer.Option(help="What it may do; each includes the one before.")] = "write",
    quota: Annotated[
        int | None, typer.Option(min=0, help="Unfinished recommendations that it may have; absent: LDNAS_QUOTA.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a key and print it; it is shown this once and stored nowhere."""
    from service.security.tokens import draw_key, hash_of, prefix_of
    from worker.registry.session import unit_of_work
    from worker.registry.states import Scope

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
        f"This is key {row.name!r} of scope {row.scope}. It is shown this once: LDNAS_API_KEY takes it, "
        "or a request's `Authorization: Bearer` header. From now on every request needs a key.",
        file=sys.stderr,
    )


@app.command("list", epilog="Example: ldnas key list")
def list_keys(as_json: options.AsJson = False) -> None:
    """The keys, revoked ones included; of each its first characters only."""
    from service.terminal.keys import print_keys
    from worker.registry.session import reading

    with _database() as engine, reading(engine) as registry:
        keys = [_facts(row) for row in registry.keys.list()]
    if as_json:
        options.print_json(keys)
    else:
        print_keys(keys, now=time.time())


@app.command(epilog="Example: ldnas key revoke alice")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name, its id, or its first characters as listed.")],
    as_json: options.AsJson = False,
) -> None:
    """End a key, and every browser session that it opened, at once."""
    from worker.registry.session import unit_of_work

    with _database() as engine, unit_of_work(engine) as registry:
        row = registry.keys.revoke(key)
    if as_json:
        options.print_json(_facts(row))
        return
    print(f"key {row.name!r} ({row.prefix}…) opens nothing any more", file=sys.stderr)


@contextmanager
def _database() -> "Iterator[Engine]":
    from service.security.setup import require_current
    from worker.registry.session import open_engine

    engine = open_engine(Settings.from_environment(os.environ).database_url)
    try:
        require_current(engine)
        yield engine
    finally:
        engine.dispose()


def _facts(row: "ApiKey") -> dict[str, Any]:
    """What may be told of a key; times are seconds since the epoch."""
    names = ("id", "name", "prefix", "scope", "quota", "created_at", "last_used_at", "revoked_at")
    return {name: getattr(row, name) for name in names}
