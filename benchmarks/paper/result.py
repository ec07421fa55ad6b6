"""`result.json` out of the rows, in the shape of the paper's own figures, and `environment.json` next to it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.paper.differences import compare_with_published
from benchmarks.paper.figure_1 import FIGURES, summarise
from benchmarks.paper.scales import SCALES
from benchmarks.paper.tables import tables_of
from benchmarks.paper.units import Row, Rows, Unit

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))
"""The paper's figures; those of Figure 1 read off the authors' published images."""

RE_ENCODING = (
    "Where CIFAR-10 came as the Parquet files that the digests below name, it is a re-encoding as JPEG (quality 75, "
    "4:2:0): accuracies are a little below those of the original."
)


def result_of(units: Sequence[Unit], rows: Rows, scale: str) -> dict[str, Any]:
    """All that the finished rows say; parts of which nothing is there yet are absent."""
    finished = rows.of(units)
    networks = [row for row in finished if row["unit"]["kind"] == "network"]
    theirs = PUBLISHED["figure_1"]
    figures = {f"figure_1_{mode}": summarise(networks, mode, theirs) for mode in FIGURES}
    return {
        "scale": scale,
        "cuts": list(SCALES[scale].cuts),
        "units": len(units),
        "finished": len(finished),
        **{name: one | compare_with_published(one, theirs) for name, one in figures.items() if one is not None},
        **tables_of([row for row in finished if row["unit"]["kind"] == "row"], PUBLISHED),
        "seconds": sum(row["seconds"] for row in finished),
        "note": RE_ENCODING,
        **provenance(finished),
    }


def provenance(rows: Sequence[Row]) -> dict[str, Any]:
    """The different environments and data digests among the rows; two digests of a data set are two data sets."""
    environments = {json.dumps(_lasting(row["environment"]), sort_keys=True) for row in rows}
    digests = {json.dumps(row["data"], sort_keys=True) for row in rows}
    return {
        "environments": [json.loads(text) for text in sorted(environments)],
        "data": [json.loads(text) for text in sorted(digests)],
    }


def _lasting(environment: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environment.items() if name != "load_average"}


def environment_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Where the rows were made: what they all share, what differs (with how many rows have it), loads and data.

    A load average was read as a row's unit ended; the rows may be of several machines and have no order in time.
    """
    every = [_lasting(row["environment"]) for row in rows]
    by_name = {name: Counter(json.dumps(one.get(name)) for one in every) for name in sorted(set().union(*every))}
    loads = [row["environment"]["load_average"] for row in rows if "load_average" in row["environment"]]
    return {
        **{name: json.loads(next(iter(found))) for name, found in by_name.items() if len(found) == 1},
        "differing": {
            name: [{"value": json.loads(value), "rows": count} for value, count in found.items()]
            for name, found in by_name.items()
            if len(found) > 1
        },
        "rows": len(rows),
        "load_average": {"least": min(loads), "greatest": max(loads)} if loads else None,
        "data": provenance(rows)["data"],
    }


def write(folder: Path, result: dict[str, Any], environment: dict[str, Any]) -> Path:
    """Writes `result.json` and `environment.json`; gives the path of the first."""
    for name, value in (("environment", environment), ("result", result)):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return file
