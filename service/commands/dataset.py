"""`ldnas dataset`: the files that were uploaded for tasks to use."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands import options

app = typer.Typer(no_args_is_help=True, help="Add, list and remove the datasets that were uploaded to the service.")

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="Tasks name it as dataset://NAME.")]


@app.command()
def add(
    name: DatasetName,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            readable=True,
            help="A .zip of an image folder, an .npz, a .parquet, weights as .safetensors, or a folder of images.",
        ),
    ],
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split_column: options.SplitColumn = None,
    group_column: options.GroupColumn = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Upload a file: ldnas dataset add screws screws.zip"""
    with options.open_client(url, api_key) as client:
        document = client.add_dataset(
            name,
            path,
            image_column=image_column,
            label_column=label_column,
            split_column=split_column,
            group_column=group_column,
        )
    if as_json:
        options.print_json(document)
    elif document["images"] is None:
        typer.echo(f"{document['uri']} has the weights of a network, {document['parameters']:,} numbers")
    else:
        typer.echo(f"{document['uri']} has {document['images']:,} images of {len(document['classes'])} classes")


@app.command("list")
def list_datasets(
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """List the uploaded datasets, newest first."""
    from service.terminal.datasets import print_datasets

    with options.open_client(url, api_key) as client:
        datasets = list(client.datasets())
    if as_json:
        options.print_json({"items": datasets, "next": None})
    else:
        print_datasets(datasets)


@app.command()
def remove(name: DatasetName, url: options.Url = options.DEFAULT_URL, api_key: options.ApiKey = None) -> None:
    """Remove a dataset that no task refers to."""
    with options.open_client(url, api_key) as client:
        client.remove_dataset(name)
    typer.echo(f"{name} is removed")
