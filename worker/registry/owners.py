"""Lists the columns that own files of the artifact store. A new column that holds a digest must be added here."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from worker.registry.tables import ArchitectureRow, DatasetRow, FisherSummaryRow, NetworkRow, RecommendationRow, TaskRow

COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    *(DatasetRow.sha256, DatasetRow.samples, TaskRow.seen_images, TaskRow.samples, NetworkRow.weights),
    *(getattr(ArchitectureRow, file) for file in ("weights", "code", "program", "onnx", "card")),
)

IN_DOCUMENTS: tuple[ColumnElement[str], ...] = (
    NetworkRow.test["predictions"].as_string(),
    ArchitectureRow.test["predictions"].as_string(),
    RecommendationRow.document[("test", "predictions")].as_string(),
    NetworkRow.test[("error_sheet", "artifact")].as_string(),
    ArchitectureRow.test[("error_sheet", "artifact")].as_string(),
    RecommendationRow.document[("test", "error_sheet", "artifact")].as_string(),
    FisherSummaryRow.summary[("diagonal", "artifact")].as_string(),
)
"""Digests inside a JSON column."""

ALL: tuple[InstrumentedAttribute[Any] | ColumnElement[Any], ...] = (*COLUMNS, *IN_DOCUMENTS)
