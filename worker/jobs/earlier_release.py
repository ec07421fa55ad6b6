"""Jobs that release 0.1.0 began: it had no memo, and its later attempts read their own answer."""

from collections.abc import Mapping
from typing import Any

from worker.jobs.stages.control_document import ARMS


def memo_in_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """The memo of a recommendation's job as far as its answer has it, by the names of the memo.

    A job that release 0.1.0 began ends under this release with the results that it has reported. An answer that this
    release wrote has nothing that its memo lacks. A job that passes from this release to 0.1.0 and back, while workers
    of both run, may measure and search again. Stays until release 0.3.0, under which no job of 0.1.0 runs.
    """
    search, control = (document.get(part) or {} for part in ("search", "control"))
    found: dict[str, Any] = {
        "contenders": document.get("eligibility"),
        "search_space": _space(document),
        "latency_table": _latency(search),
        "forecast": search.get("forecast"),
        "chosen_cell": _choice(search),
        "control": _control(control),
        "control.latency_table": _latency(control),
    }
    for arm in ARMS:
        for number, architecture in enumerate((control.get(arm) or {}).get("architectures") or ()):
            found[f"control.{arm}.{number}"] = architecture
    memo = {name: value for name, value in found.items() if value is not None}
    if "final_epochs" in search:
        memo["final_epochs"] = search["final_epochs"]
    if "warm_start" in document:
        memo["warm_start"] = {"start": document["warm_start"], "warning": None}
    return memo


def _space(document: Mapping[str, Any]) -> dict[str, Any] | None:
    space = document.get("search_space")
    if space is None:
        return None
    return {
        "primitives": space["primitives"],
        "source_task_ids": space["source_task_ids"],
        "closest": document.get("closest"),
        "refusal": None,
    }


def _latency(part: Mapping[str, Any]) -> dict[str, Any] | None:
    table = part.get("latency_table")
    return None if table is None else {"table": table, "refusal": None}


def _choice(search: Mapping[str, Any]) -> dict[str, Any] | None:
    if search.get("chosen") is None:
        return None
    return {
        "genotype": search["chosen"],
        "scored": search.get("scored", 0),
        "latency_ms": search.get("latency_ms"),
        "warning": None,
    }


def _control(control: Mapping[str, Any]) -> dict[str, Any] | None:
    if not control.get("seconds"):
        return None
    return {"seconds": control["seconds"], "search_seconds": control["search_seconds"]}
