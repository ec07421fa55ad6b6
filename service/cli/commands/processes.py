"""The commands that start processes: `up`, `demo`, and the parts of `up` one by one."""

import os
import signal
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from service.cli.commands import options
from worker.process.stop_signals import stop_on
from worker.settings import Settings


def up() -> None:
    """Start the whole service on this machine: database, API, dispatcher and one worker."""
    _need("torch")
    from service.cli.supervision.supervisor import GRACE_SECONDS, supervise
    from worker.outbound.certificates import trusted_authorities
    from worker.process.parent_watch import exit_with_parent
    from worker.process.tracing import require_tracing
    from worker.storage.artifacts import require_usable_store

    settings = Settings.from_environment(os.environ)
    require_tracing(os.environ)
    trusted_authorities()
    require_usable_store(settings)
    exit_with_parent(os.environ, grace_seconds=GRACE_SECONDS + 1.0)
    stop = stop_on(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    supervise(settings, stop, migrate=_prepare, say=say)
    say("ldnas has stopped")


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's recommendation as JSON.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the new task's networks and search.")] = 0,
) -> None:
    """Register four tasks on handwritten digits, recommend a network for a fifth, and show why."""
    _need("torch")
    from service.cli.demo.run import run_demo

    settings, api_key = Settings.from_environment(os.environ), os.environ.get("LDNAS_API_KEY")
    document = run_demo(settings, show_answer=not as_json, seed=seed, api_key=api_key)
    if as_json:
        options.print_json(document)


def migrate() -> None:
    """Migrate the database, and store the first admin key if LDNAS_ADMIN_KEY_FILE names one."""
    _migrate(Settings.from_environment(os.environ))
    say("the database is up to date")


def api() -> None:
    """Run only the API."""
    from service.api_main import main

    main()


def dispatcher() -> None:
    """Run one dispatcher; any number may run."""
    _need("celery")
    from worker.queue.dispatcher import main

    main()


def worker() -> None:
    """Run one worker; any number may run, on any number of hosts."""
    _need("torch")
    from worker.queue.worker_main import main

    main()


def _need(package: str) -> None:
    """Refuses to start without the package: a child or a job that needs it would fail repeatedly."""
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"no {package}", name=package)


def _prepare(settings: Settings) -> None:
    """Migrates and checks keys before `up` starts its children: an API that refuses would be restarted repeatedly."""
    from service.api.security.setup import require_key_for
    from worker.registry import open_engine

    _migrate(settings)
    engine = open_engine(settings.database_url)
    try:
        require_key_for(engine, settings.host)
    finally:
        engine.dispose()


def _migrate(settings: Settings) -> None:
    from service.api.security.setup import keep_admin_key
    from worker.registry import open_engine
    from worker.registry.schema import migrate as migrate_database

    migrate_database(settings.database_url)
    if settings.admin_key_file is None:
        return
    engine = open_engine(settings.database_url)
    try:
        keep_admin_key(engine, settings.admin_key_file, say)
    finally:
        engine.dispose()


def say(line: str) -> None:
    """Prints one line for the user, on standard error."""
    print(line, file=sys.stderr, flush=True)
