"""Lists the columns that own files of the artifact store. A new column that holds a digest must be added here."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from worker.registry.models import ArchitectureRow, Dataset, FisherSummary, Network, Recommendation, Task

COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    *(Dataset.sha256, Dataset.samples, Task.seen_images, Task.samples, Network.weights),
    *(getattr(ArchitectureRow, file) for file in ("weights", "code", "program", "onnx", "card")),
)

IN_DOCUMENTS: tuple[ColumnElement[str], ...] = (
    Network.test["predictions"].as_string(),
    ArchitectureRow.test["predictions"].as_string(),
    Recommendation.document[("test", "predictions")].as_string(),
    Network.test[("error_sheet", "artifact")].as_string(),
    ArchitectureRow.test[("error_sheet", "artifact")].as_string(),
    Recommendation.document[("test", "error_sheet", "artifact")].as_string(),
    FisherSummary.summary[("diagonal", "artifact")].as_string(),
)
"""Digests inside a JSON column."""

ALL: tuple[InstrumentedAttribute[Any] | ColumnElement[Any], ...] = (*COLUMNS, *IN_DOCUMENTS)
