"""Options that several commands share, and their conversion to fields of a request."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ldnas.data import value_range as ranges
from ldnas.errors import InvalidReferenceError
from service.cli.commands import completion
from service.cli.commands.likely_uris import likely_uris
from service.cli.terminal import shows_unicode
from service.client import Client
from service.client.connection import DEFAULT_URL as DEFAULT_URL
from service.client.display.submitted import classes_in_words
from service.client.documents import DocumentT
from service.client.submission import Submission
from service.schemas.base import Document
from worker.specification import form_text

Url = Annotated[str, typer.Option("--url", envvar="LDNAS_URL", help="URL of the service.")]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="LDNAS_API_KEY", help="API key, sent as a bearer token.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's document as JSON.")]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Maximum time to wait; the job continues.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the job, or return at once.")]

Dataset = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="dataset://NAME, builtin://digits, file:///a/folder, …",
        autocompletion=completion.of_dataset_uris,
    ),
]
Format = Annotated[
    str | None, typer.Option("--format", help="Format of the dataset, if its URI does not determine it.")
]
ImageColumn = Annotated[str | None, typer.Option("--image-column", help="Parquet column with the images.")]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Parquet column with the labels.")]
SplitColumn = Annotated[str | None, typer.Option("--split-column", help="Parquet column with the split.")]
GroupColumn = Annotated[
    str | None,
    typer.Option(
        "--group-column", help="Parquet column of groups (patients, …), which are never divided between splits."
    ),
]
ValueRange = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        metavar="LOW,HIGH",
        help="Of images with more than 8 bits: the values that become black and white, as 0,4095.",
    ),
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        "-g",
        metavar="LABELS",
        help="Labels of one class, as cat,dog; repeat for each class. A label is a class name, in double quotes if it "
        "contains a comma: '\"black, white\",grey'. #2 is the class with index 2.",
    ),
]
# One label of a CSV row. The csv module reads ` a , b` and `" a "," b"` alike, but only quotes protect blanks.
_LABEL = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?=,|$)|([^,]+)')
Rest = Annotated[bool, typer.Option("--rest", help="Add a class for all other labels.")]
Balance = Annotated[bool, typer.Option("--balance", help="Reduce that class to the mean size of the others.")]
Network = Annotated[str | None, typer.Option(help="Architecture of the task's networks: small_cnn, vgg16, …")]
Epsilon = Annotated[
    float | None, typer.Option(help="A network approximates the task at a balanced accuracy of at least 1-ε.")
]
Repetitions = Annotated[int | None, typer.Option(help="Number of networks for each task, each from its own seed.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all random draws.")]
Measure = Annotated[
    str | None,
    typer.Option(
        help="log_det_layerwise (the default), log_det, logme, frechet, task2vec or task2vec_asymmetric.",
        autocompletion=completion.of_measures,
    ),
]
Objective = Annotated[
    str | None,
    typer.Option(
        help="accuracy (the default), balanced_accuracy or macro_f1.", autocompletion=completion.of_objectives
    ),
]
ImageSize = Annotated[int | None, typer.Option(help="Side of the images in the search, 8 to 256 pixels.")]


def help_of(path: str) -> str:
    """The help of a field of the request, by its dotted path, as the dashboard's form words it."""
    text = form_text(path)
    assert text is not None, path
    return f"{text.label}. {text.effect}"


def dataset_reference(uri: str, *, value_range: str | None = None, **texts: str | None) -> dict[str, Any]:
    """The dataset reference of a request.

    Raises:
        typer.BadParameter: the text is not a URI (states likely ones), or the value range is not two numbers.
    """
    if "://" not in uri and not uri.startswith("file:"):
        raise typer.BadParameter(f"{uri!r} is not a URI; {likely_uris(uri)}", param_hint="DATASET")
    return {"uri": uri, **stated(value_range=value_range, **texts)}


def stated(*, value_range: str | None, **texts: str | None) -> dict[str, Any]:
    """The given columns and the value range, by their key in a dataset reference."""
    given: dict[str, Any] = {key: value for key, value in texts.items() if value is not None}
    if value_range is not None:
        given["value_range"] = _numbers(value_range)
    return given


def _numbers(text: str) -> list[float]:
    """The two numbers of `0,4095`, whole ones as integers."""
    try:
        low, high = (float(number) for number in text.split(","))
        ranges.ValueRange(low, high)
    except (ValueError, InvalidReferenceError) as error:
        raise typer.BadParameter(
            f"{text!r} is not a value range; write two numbers, the lower first, as 0,4095", param_hint="--value-range"
        ) from error
    return [int(number) if number.is_integer() else number for number in (low, high)]


def label_mapping(groups: Sequence[str] | None, rest: bool, balance: bool) -> dict[str, Any] | None:
    """The label mapping of a request, or None for the dataset's own classes.

    Each group is a CSV row of labels, all of them texts; the service finds the classes that they mean, and refuses
    invalid mappings.

    Raises:
        BadParameter: a quote is not closed.
    """
    if not groups and not rest and not balance:
        return None
    return {"groups": [_labels(group) for group in groups or ()], "rest": rest, "balance": balance}


def _labels(row: str) -> list[str]:
    return [label for label in map(_label, _LABEL.finditer(row)) if label]


def _label(found: re.Match[str]) -> str:
    quoted, plain = found.groups()
    if quoted is not None:
        return str(quoted).replace('""', '"')
    label = str(plain).strip()
    if label.startswith('"'):
        raise typer.BadParameter(
            f'{label} begins with a quote that does not end its label; write "black, white",grey, and a quote within '
            'quotes as ""',
            param_hint="--group",
        )
    return label


def genotypes_of(file: Path | None) -> list[dict[str, Any]] | None:
    """The genotypes in a JSON file: a list, or a single one."""
    if file is None:
        return None
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} is not a JSON file: {error}", param_hint="--genotypes") from error
    return value if isinstance(value, list) else [value]


def open_client(url: str, api_key: str | None) -> Client:
    """The client for this service."""
    return Client(url, api_key)


class ShownClasses:
    """Prints the classes of a new task on standard error, as soon as they are known.

    Args:
        document: the service's answer, which has them if the service knows the dataset.
    """

    def __init__(self, client: Client, task_id: str, document: Mapping[str, Any]) -> None:
        self._client = client
        self._task_id = task_id
        self._is_shown = self._show(document)

    def look(self, status: Mapping[str, Any]) -> None:
        """Takes the document of a poll; once the stage that reads the images has ended, fetches the classes."""
        if not self._is_shown and status.get("stage") not in (None, "resolve"):
            self._show(self._client.get_task(self._task_id))
            self._is_shown = True

    def _show(self, document: Mapping[str, Any]) -> bool:
        words = classes_in_words(document)
        if words is not None:
            typer.echo(words, err=True)
        return words is not None


def finished(
    client: Client,
    submission: Submission[DocumentT],
    timeout_seconds: float | None,
    on_status: Callable[[Mapping[str, Any]], None] | None = None,
) -> DocumentT:
    """Waits with a progress bar for the final document; after Ctrl-C, prints how to cancel the job."""
    try:
        return submission.wait(progress=True, timeout_seconds=timeout_seconds, on_status=on_status)
    except KeyboardInterrupt:
        where = f"{client.base_url}{submission.job}"
        typer.echo(f"ldnas: {submission.label} continues in the service; POST {where}/cancel cancels it", err=True)
        raise


def print_json(document: Any) -> None:
    """Prints the JSON of a document of the API, unchanged, on standard output."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=not shows_unicode(sys.stdout), default=_sent)
    sys.stdout.write("\n")


def _sent(document: Any) -> Any:
    if isinstance(document, Document):
        return document.json
    raise TypeError(f"{type(document).__name__} is not a document")
