"""`ldnas registry`: exports baselines to a file for another installation, and imports them; uses the database."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.commands import options
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.registry import Engine
    from worker.storage.artifacts import ArtifactStore

app = typer.Typer(
    no_args_is_help=True, help="Copy baselines with their networks, genotypes and distances to another installation."
)


@app.command("export")
def export_registry(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    as_json: options.AsJson = False,
) -> None:
    """Write every finished baseline to one file: ldnas registry export known.ldnas"""
    from worker.storage.bundle import write_bundle

    with _home() as (engine, store):
        counts = write_bundle(engine, store, file)
    if as_json:
        options.print_json(counts)
        return
    what = ", ".join(f"{counts[table]:,} {table}" for table in ("tasks", "networks", "genotypes", "distances"))
    print(f"{file} has {what}", file=sys.stderr)


@app.command("import")
def import_registry(
    file: Annotated[Path, typer.Argument(help="A file that `ldnas registry export` wrote.")],
    prefix: Annotated[str, typer.Option(help="Prefix for the name of every new baseline.")] = "",
    as_json: options.AsJson = False,
) -> None:
    """Import the baselines of a file, all of them or none: ldnas registry import known.ldnas"""
    from worker.storage.bundle import read_bundle

    with _home() as (engine, store):
        imported = read_bundle(engine, store, file, prefix=prefix)
    if as_json:
        options.print_json({"new": list(imported.new), "known": list(imported.known)})
        return
    known = f"; {len(imported.known)} exist already" if imported.known else ""
    print(f"{len(imported.new)} new baselines: {', '.join(imported.new) or 'none'}{known}", file=sys.stderr)


@contextmanager
def _home() -> "Iterator[tuple[Engine, ArtifactStore]]":
    from service.api.security.setup import require_current
    from worker.registry import LONG_LIMITS, open_engine
    from worker.storage.artifacts import open_store

    settings = Settings.from_environment(os.environ)
    engine = open_engine(settings.database_url, LONG_LIMITS)
    try:
        require_current(engine)
        yield engine, open_store(settings)
    finally:
        engine.dispose()
