"""Parts of several requests: the dataset, the labels, the genotypes, the objective, the measure."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ldnas.space.genotype import EDGES, Genotype
from worker.specification.base import FormText, Fraction, PlainText, Request
from worker.specification.patterns import PLAIN_TEXT_PATTERN, PRETRAINED_PATTERN


def _one_error_for_a_label(value: Any, validate: ValidatorFunctionWrapHandler) -> int | str:
    """Reports one error for a label; pydantic reports one for each branch of the union."""
    try:
        label: int | str = validate(value)
    except ValidationError as error:
        raise PydanticCustomError(
            "label", "a label is a class index (an integer from 0) or a class name (a text of 1 to 256 characters)"
        ) from error
    return label


Objective = Literal["accuracy", "balanced_accuracy", "macro_f1"]

# Spelled out for type checkers and the OpenAPI document; a test compares them with ldnas.recipe.
StandingMeasure = Literal["log_det_layerwise", "log_det", "logme"]
Measure = Literal["log_det_layerwise", "log_det", "logme", "frechet", "task2vec", "task2vec_asymmetric"]

ClassIndex = Annotated[int, Field(ge=0, le=2**31 - 1)]
ClassName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PLAIN_TEXT_PATTERN)]
Label = Annotated[ClassIndex | ClassName, WrapValidator(_one_error_for_a_label)]

ValuePair = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)]


class FractionsRequest(Request):
    """The fractions of the images in each split, which add up to 1."""

    train: Annotated[
        Fraction, FormText("Share for training", "For data without a split of its own.", "0.7 with the others")
    ]
    validation: Annotated[
        Fraction, FormText("Share for validation", "The search sees these images.", "0.15 with the others")
    ]
    test: Annotated[Fraction, FormText("Share for the test", "Seen once, at the end.", "0.15 with the others")]


class DatasetRequest(Request):
    """The location of the images, and how to read them."""

    uri: PlainText = Field(
        description="`dataset://NAME` (uploaded), `builtin://digits`, `torchvision://MNIST`, `file:///…` inside "
        "`LDNAS_DATASET_ROOTS`, `https://…` and `s3://…` on hosts of `LDNAS_REMOTE_HOSTS`",
        examples=["builtin://digits"],
    )
    format: Annotated[
        PlainText | None, FormText("Layout of the files", "How the service reads them.", "detected from the files")
    ] = Field(None, description="layout of the files; detected if absent")
    image_column: Annotated[PlainText | None, FormText("Column of the images", "Of a Parquet file.", "image")] = None
    label_column: Annotated[PlainText | None, FormText("Column of the labels", "Of a Parquet file.", "label")] = None
    split_column: Annotated[
        PlainText | None, FormText("Column of the split", "Assigns each row to train, validation or test.", "none")
    ] = None
    group_column: Annotated[
        PlainText | None,
        FormText("Column of the group", "Rows of one group (a patient, a camera) share a split.", "none"),
    ] = Field(None, description="rows of one group (a patient, a camera) share a split")
    fractions: FractionsRequest | None = Field(None, description="used if the dataset has no splits of its own")
    value_range: Annotated[
        ValuePair | None,
        FormText(
            "Value range",
            "Of images with more than 8 bits: the values that become black and white, as 0, 4095.",
            "found over all images",
        ),
    ] = Field(
        None,
        description="of images with more than 8 bits: the values that become black and white, as `[0, 4095]`; absent: "
        "found over all images",
    )


class LabelsRequest(Request):
    """A label mapping: each group is a class, `rest` adds a class for all other labels.

    A label that is an integer is a class index of the dataset. A text is a class name; where no class has that name,
    `"#2"` is the class with index 2.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"groups": [[1, 3, 5, 7, 9]], "rest": True}]})

    groups: list[Annotated[list[Label], Field(max_length=10_000)]] = Field(max_length=10_000)
    rest: Annotated[bool, FormText("All other labels form one more class", "Otherwise their images are left out.")] = (
        False
    )
    balance: Annotated[
        bool,
        FormText("Cut that class to the mean size of the others", "So that a large remainder does not outweigh them."),
    ] = Field(False, description="cut the rest class to the mean size of the others")


class OwnNetwork(Request):
    """A network that was trained elsewhere, for the classes of the task."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"architecture": "resnet18", "weights": "dataset://mine"}]}
    )

    architecture: PlainText = Field(description="the name of one of the known architectures")
    weights: PlainText = Field(description="`dataset://NAME` of an uploaded .safetensors file")


class PretrainedNetwork(Request):
    """A network of timm or torchvision with weights that were trained elsewhere."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"architecture": "resnet18", "weights": "dataset://backbone"}]}
    )

    architecture: Annotated[
        str,
        StringConstraints(max_length=128, pattern=PRETRAINED_PATTERN),
        FormText(
            "Pretrained network",
            "Its name in timm, without a tag, or torchvision/ and its name there.",
            "EfficientNet-Lite0 alone",
        ),
    ] = Field(
        description="its name in timm, without a tag, or `torchvision/` and its name in torchvision "
        "(`torchvision/squeezenet1_1`); it takes images of any size"
    )
    weights: Annotated[
        PlainText,
        FormText(
            "Its weights", "dataset://NAME of an uploaded .safetensors file, or https://…", "EfficientNet-Lite0 alone"
        ),
    ] = Field(
        description="a .safetensors file with the library's names, with or without a classifier: `dataset://NAME` "
        "(uploaded), or `https://…` and `s3://…` on hosts of `LDNAS_REMOTE_HOSTS`, which the job fetches once"
    )


def _one_error_for_a_network(value: Any, validate: ValidatorFunctionWrapHandler) -> str | OwnNetwork:
    if isinstance(value, Mapping):
        return OwnNetwork.model_validate(value)
    if isinstance(value, str):
        return _PLAIN_TEXT.validate_python(value)
    if isinstance(value, OwnNetwork):
        return value
    raise PydanticCustomError("network", "a network is a name, or an object with `architecture` and `weights`")


_PLAIN_TEXT: TypeAdapter[str] = TypeAdapter(PlainText)
NetworkField = Annotated[PlainText | OwnNetwork, WrapValidator(_one_error_for_a_network)]

# A JSON array represents the triple, so the tuple itself is not strict; its members are.
Edge = Annotated[
    tuple[Annotated[int, Field(strict=True)], Annotated[int, Field(strict=True)], Annotated[str, Field(strict=True)]],
    Field(strict=False),
]


class GenotypeRequest(Request):
    """A cell: one primitive on each of its six edges."""

    model_config = ConfigDict(json_schema_extra={"examples": [Genotype(("sep_conv_3x3",) * len(EDGES)).to_json()]})

    edges: list[Edge] = Field(max_length=64, description="each of the six edges once: from, to, primitive")


class StudyRequest(Request):
    """The full training of a baseline's best cells, so that races on near tasks can start from their weights."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cells": 2, "seconds": 60}]})

    cells: int = Field(2, ge=1, le=4, description="number of cells to train in full, at most")
    seconds: float | None = Field(
        None,
        gt=0,
        le=10_000_000,
        allow_inf_nan=False,
        description="seconds of the trainings; one that does not fit any more does not start, but one cell is always "
        "trained; absent: as long as the cells take",
    )


class FirstStudyRequest(StudyRequest):
    """The study of a baseline at its registration."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cells": 2, "seconds": 60}, {"cells": 0}]})

    cells: int = Field(2, ge=0, le=4, description="number of cells to train in full, at most; 0: no study")
