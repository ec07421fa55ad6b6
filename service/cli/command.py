"""The `ldnas` command.

The client commands need httpx, Rich and Typer. The commands that start processes import their dependencies when they
run, so that `ldnas --help` is fast and an installation without torch or a database can use a remote service.
"""

import os
import sys

import typer

from service.api.security.errors import KeySetupError
from service.cli.commands import (
    architecture,
    dataset,
    distances,
    doctor,
    key,
    predict,
    processes,
    recommend,
    registry,
    task,
)
from service.cli.commands.exit_codes import EPILOG, exit_code_of
from service.cli.supervision.errors import ProcessError
from service.cli.terminal import show_every_character
from service.client.errors import ClientError
from worker.errors import WorkerError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Recommends a neural architecture for a new image-classification task from the tasks that it knows.",
    epilog=EPILOG,
)
app.command(epilog="Example: LDNAS_HOME=/srv/ldnas ldnas up")(processes.up)
app.command(epilog="Example: ldnas demo --seed 1")(processes.demo)
app.add_typer(task.app, name="task")
app.add_typer(dataset.app, name="dataset")
app.command()(recommend.recommend)
app.add_typer(distances.app, name="distances")
app.add_typer(architecture.app, name="architecture")
app.command()(predict.predict)
app.add_typer(key.app, name="key")
app.add_typer(registry.app, name="registry")
app.command(epilog="Example: ldnas doctor --deep")(doctor.doctor)
app.command(rich_help_panel="One process at a time", epilog="Example: LDNAS_DATABASE_URL=postgresql://… ldnas migrate")(
    processes.migrate
)
app.command(rich_help_panel="One process at a time", epilog="Example: LDNAS_DATABASE_URL=postgresql://… ldnas api")(
    processes.api
)
app.command(
    rich_help_panel="One process at a time", epilog="Example: LDNAS_DATABASE_URL=postgresql://… ldnas dispatcher"
)(processes.dispatcher)
app.command(rich_help_panel="One process at a time", epilog="Example: LDNAS_DATABASE_URL=postgresql://… ldnas worker")(
    processes.worker
)

# The extra that installs each optional package.
EXTRA_OF_PACKAGE = {
    "alembic": "service",
    "botocore": "service",
    "fastapi": "service",
    "sqlalchemy": "service",
    "starlette": "service",
    "uvicorn": "service",
    "celery": "dispatcher",
    "kombu": "dispatcher",
    "torch": "worker",
    "PIL": "predict",
    "numpy": "predict",
    "onnxruntime": "predict",
}


def main() -> None:
    """Runs the command; an expected error becomes one message on standard error and the exit code of its kind."""
    show_every_character()
    try:
        app()
    except (ClientError, ProcessError, KeySetupError, WorkerError) as error:
        print(f"ldnas: {error}", file=sys.stderr)
        sys.exit(exit_code_of(error))
    except OSError as error:
        sys.exit(f"ldnas: {_cause(error)}")
    except UnicodeEncodeError as error:
        sys.exit(f"ldnas: {error.object!a} cannot be sent, because it is not text in UTF-8")
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_PACKAGE.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        sys.exit(f"ldnas: {error.name} is not installed; run pip install 'ldnas[{extra}]'")


def _cause(error: OSError) -> str:
    """The file, if the error names one, and the reason."""
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"
