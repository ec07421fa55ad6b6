"""`ldnas architecture`: lists, exports and retrains finished networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.commands import completion, options
from service.client.architectures import FILES

app = typer.Typer(
    no_args_is_help=True, help="List, show and export the finished networks, and train one again on other data."
)

ArchitectureId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Id of the architecture; see ldnas architecture list.",
        autocompletion=completion.of_architectures,
    ),
]


@app.command("list", epilog="Example: ldnas architecture list --json")
def list_architectures(
    as_json: options.AsJson = False, url: options.Url = options.DEFAULT_URL, api_key: options.ApiKey = None
) -> None:
    """List the finished networks, newest first."""
    from service.client.display.architectures import print_architectures

    with options.open_client(url, api_key) as client:
        architectures = list(client.architectures())
    if as_json:
        options.print_json({"items": architectures, "next": None})
    else:
        print_architectures(architectures)


@app.command(epilog="Example: ldnas architecture show ID")
def show(
    architecture_id: ArchitectureId,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Show one network: its cell or its name, its classes, its scores."""
    from service.client.display.architectures import print_architecture

    with options.open_client(url, api_key) as client:
        document = client.architecture(architecture_id)
    if as_json:
        options.print_json(document)
    else:
        print_architecture(document)


@app.command()
def export(
    architecture_id: ArchitectureId,
    to: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder to write the files to; created if it does not exist.")
    ],
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Download a network as files: ldnas architecture export ID --to FOLDER

    Code, weights, a torch.export program, ONNX, and a model card that explains how to use each file.
    """
    from service.client.display.progress import bytes_shown

    try:
        with options.open_client(url, api_key) as client:
            document = client.architecture(architecture_id)
            with bytes_shown("downloading") as on_bytes:
                client.download(architecture_id, to, lambda name, done, total: on_bytes(done, total))
    except OSError as error:
        raise typer.BadParameter(f"cannot write to the folder: {error}", param_hint="--to") from error
    if as_json:
        options.print_json(document)
        return
    typer.echo(f"{document['name']} is in {to}: {', '.join(FILES.values())}")
    typer.echo(f"try it: python {to / FILES['code']} {to / FILES['weights']} IMAGE.png")


@app.command()
def train(
    architecture_id: ArchitectureId,
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
    name: Annotated[str | None, typer.Option(help="Name of the new network.")] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the images, 8 to 256 pixels; default: that of the network.")
    ] = None,
    objective: options.Objective = None,
    seed: options.Seed = None,
    priority: Annotated[int | None, typer.Option(help="Jobs of higher priority run first.")] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Train a network again on other data: ldnas architecture train ID builtin://digits --group 0,6,8,9 --rest

    The new network has the same design, its first weights and a head for the new classes. With --json: the new
    architecture, or with --no-wait the service's answer to the request.
    """
    from service.client.display.architectures import print_architecture

    with options.open_client(url, api_key) as client:
        submission = client.train_architecture(
            architecture_id,
            options.dataset_reference(
                dataset,
                format=data_format,
                image_column=image_column,
                label_column=label_column,
                split_column=split_column,
                group_column=group_column,
                value_range=value_range,
            ),
            labels=options.label_mapping(group, rest, balance),
            name=name,
            image_size=image_size,
            objective=objective,
            seed=seed,
            priority=priority,
        )
        shown = options.ShownClasses(client, submission.document["task_id"], submission.document)
        document: Mapping[str, Any] = (
            options.finished(client, submission, timeout, shown.look) if wait else submission.document
        )
    if as_json:
        options.print_json(document)
    elif wait:
        print_architecture(document)
    else:
        typer.echo(f"{document['name']} is queued: {client.base_url}{submission.job}")
