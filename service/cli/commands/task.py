"""`ldnas task`: adds, lists, shows, studies and removes tasks."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.commands import completion, options
from service.client import Client
from service.client.errors import RequestRefusedError, UnknownTaskError
from service.schemas.tasks import Task

app = typer.Typer(no_args_is_help=True, help="Add, list, show, study and remove tasks in the service.")

TaskName = Annotated[
    str,
    typer.Argument(metavar="TASK", help="Id of a task, or name of a baseline.", autocompletion=completion.of_baselines),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the baseline.")],
    dataset: options.Dataset,
    group: options.Groups = None,
    rest: options.Rest = False,
    balance: options.Balance = False,
    data_format: options.Format = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split_column: options.SplitColumn = None,
    group_column: options.GroupColumn = None,
    value_range: options.ValueRange = None,
    network: options.Network = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="URI", help="dataset://NAME of weights for --network that were trained elsewhere."),
    ] = None,
    epsilon: options.Epsilon = None,
    repetitions: options.Repetitions = None,
    seed: options.Seed = None,
    image_size: options.ImageSize = None,
    genotypes: Annotated[Path | None, typer.Option(help="JSON file with the task's best genotypes.")] = None,
    study: Annotated[
        int | None,
        typer.Option(metavar="N", help="Train its N best cells in full, 0 to 4, for races on near tasks; default: 2."),
    ] = None,
    study_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds of these trainings; default: 10 to 180, or with --study as long as they take.",
        ),
    ] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Register a baseline: ldnas task add odd_or_even builtin://digits --group 1,3,5,7,9 --rest"""
    reference = options.dataset_reference(
        dataset,
        format=data_format,
        image_column=image_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        value_range=value_range,
    )
    with options.open_client(url, api_key) as client:
        submission = client.register_task(
            name,
            reference,
            labels=options.label_mapping(group, rest, balance),
            network=_network(network, weights),
            epsilon=epsilon,
            repetitions=repetitions,
            seed=seed,
            image_size=image_size,
            genotypes=options.genotypes_of(genotypes),
            study=_study(study, study_seconds),
        )
        shown = options.ShownClasses(client, submission.id, submission.document)
        document: Mapping[str, Any] = (
            options.finished(client, submission, timeout, shown.look) if wait else submission.document
        )
    if as_json:
        options.print_json(document)
    else:
        show = f"ldnas task show {shlex.quote(name)}"
        typer.echo(f"{name} is ready" if wait else f"{name} is registered; {show} shows its progress")


@app.command("list", epilog="Example: ldnas task list --role baseline")
def list_tasks(
    role: Annotated[str | None, typer.Option(help="baseline or target; default: both.")] = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """List the known tasks, newest first."""
    from service.client.display.tables import print_tasks

    with options.open_client(url, api_key) as client:
        tasks = list(client.tasks(**({"role": role} if role else {})))
    if as_json:
        options.print_json({"items": tasks, "next": None})
    else:
        print_tasks(tasks)


@app.command(epilog="Example: ldnas task show odd_or_even")
def show(
    task: TaskName,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Show one task."""
    from service.client.display.tables import print_task

    with options.open_client(url, api_key) as client:
        document = find_task(client, task)
    if as_json:
        options.print_json(document)
    else:
        print_task(document)


@app.command(epilog="Example: ldnas task study odd_or_even --cells 1 --seconds 60")
def study(
    task: TaskName,
    cells: Annotated[
        int | None, typer.Option(metavar="N", help="Train at most N more cells in full, 1 to 4; default: 2.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Seconds of the trainings; default: as long as they take.")
    ] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Train more cells of a baseline in full, so that races on near tasks can start from their weights.

    With --json: the task with the trainings of its cells, or with --no-wait the service's answer to the request.
    """
    with options.open_client(url, api_key) as client:
        submission = client.study_task(find_task(client, task)["id"], cells=cells, seconds=seconds)
        document: Mapping[str, Any] = options.finished(client, submission, timeout) if wait else submission.document
    if as_json:
        options.print_json(document)
    elif wait:
        trained = sum(cell["weights"] for cell in document["cells"])
        noun = "cell" if trained == 1 else "cells"
        typer.echo(f"{document['name']} has {trained} trained {noun}; ldnas task show {shlex.quote(task)} lists them")
    else:
        typer.echo(f"the study of {document['name']} is queued: {client.base_url}{submission.job}")


@app.command(epilog="Example: ldnas task remove odd_or_even")
def remove(
    task: TaskName,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Remove a task, and the data that only it refers to."""
    with options.open_client(url, api_key) as client:
        client.remove_task(find_task(client, task)["id"])
    if not as_json:  # the API's answer is empty
        typer.echo(f"removed {task}")


def _study(cells: int | None, seconds: float | None) -> dict[str, float] | None:
    wanted = {"cells": cells, "seconds": seconds}
    return {name: value for name, value in wanted.items() if value is not None} or None


def _network(architecture: str | None, weights: str | None) -> str | dict[str, str] | None:
    if weights is None:
        return architecture
    if architecture is None:
        raise typer.BadParameter("--weights needs the architecture of the weights: --network", param_hint="--weights")
    return {"architecture": architecture, "weights": weights}


def find_task(client: Client, id_or_name: str) -> Task:
    """The task with this id, or else the baseline with this name.

    Raises:
        UnknownTaskError: neither exists.
    """
    try:
        return client.get_task(id_or_name)
    except RequestRefusedError as refusal:
        if refusal.status not in (404, 422):
            raise
        for task in client.tasks(role="baseline"):
            if task["name"] == id_or_name:
                return client.get_task(task["id"])
        raise UnknownTaskError(id_or_name) from refusal
