"""`ldnas distances`: shows the matrix or one pair, and measures distances."""

from typing import Annotated

import typer

from service.cli.commands import completion, options
from service.client.errors import JobCancelledError, JobFailedError
from service.schemas.jobs import Job

app = typer.Typer(
    invoke_without_command=True,
    help="Show the measured distances, a row for each source and a column for each target, or measure more.",
    epilog="Examples: ldnas distances --target odd_or_even; ldnas distances measure odd_or_even",
)

Task = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="A task: its id, a baseline's name, or a target's name (the newest of that name).",
        autocompletion=completion.of_tasks,
    ),
]


@app.callback()
def matrix(
    context: typer.Context,
    measure: options.Measure = None,
    source: Annotated[
        str | None, typer.Option(help="Only this source: a task, as in show.", autocompletion=completion.of_tasks)
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Only this target: a task, as in show.", autocompletion=completion.of_tasks)
    ] = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Prints the matrix, if no command follows."""
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context, context.invoked_subcommand)
        return
    from service.client.display.tables import print_matrix

    with options.open_client(url, api_key) as client:
        document = client.distances(measure=measure, source=source, target=target)
    if as_json:
        options.print_json(document)
    else:
        print_matrix(document)


@app.command()
def measure(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET",
            help="Each a task: its id, a baseline's name, or a target's name (refused if several targets have it).",
            autocompletion=completion.of_tasks,
        ),
    ],
    source: Annotated[
        list[str] | None, typer.Option(help="A baseline to measure from: its name or its id; default: all.")
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="A distance measure; default: log_det_layerwise, log_det and logme.")
    ] = None,
    repetitions: Annotated[int | None, typer.Option(help="Number of networks of each task to compare.")] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Measure distances: ldnas distances measure odd_or_even --measure frechet

    Waits for all targets and shows the measured ones; fails if one was not measured.
    """
    from service.client.display.tables import print_column

    with options.open_client(url, api_key) as client:
        asked = client.measure_distances(
            targets, sources=source or None, measures=measure or None, repetitions=repetitions
        )
        jobs: list[Job] = []
        failures: list[str] = []
        for submission in asked if wait else ():
            try:
                jobs.append(options.finished(client, submission, timeout))
            except (JobFailedError, JobCancelledError) as error:
                failures.append(f"ldnas: distances to {submission.label}: {error}")
    if as_json:
        options.print_json(jobs if wait else asked.document)
    for job in jobs if not as_json else ():
        print_column(job["result"])
    if not wait and not as_json:
        for submission in asked:
            typer.echo(f"distances to {submission.label} are queued: {client.base_url}{submission.resource}")
    if failures:
        typer.echo("\n".join(failures), err=True)
        raise typer.Exit(1)


@app.command()
def show(
    source: Task,
    target: Task,
    measure: options.Measure = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Show one distance, and the contribution of each layer: ldnas distances show odd_or_even primes"""
    from service.client.display.tables import print_distance

    with options.open_client(url, api_key) as client:
        document = client.distance(source, target, measure)
    if as_json:
        options.print_json(document)
    else:
        print_distance(document)


def _refuse_misplaced(context: typer.Context, command: str) -> None:
    """Refuses options before the command: they belong to the matrix, and would be ignored."""
    for name in context.params:
        origin = context.get_parameter_source(name)
        if origin is not None and origin.name == "COMMANDLINE":
            option = "--json" if name == "as_json" else f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"write this option after {command}", param_hint=option)
