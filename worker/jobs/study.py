"""The job `study`: trains more cells of a baseline in full."""

from typing import Any

from worker.jobs.context import JobContext
from worker.jobs.stages.resolve import resolve
from worker.jobs.stages.study import STUDY, study_cells
from worker.specification import StudyParams

PLAN = {"resolve": 0.1, STUDY: 0.9}


def study(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Add to the trained cells of a task. A study that a dispatcher queued gives way to other jobs."""
    wanted = StudyParams.from_storage(params)
    with context.stage("resolve"):
        task = resolve(context, wanted.task_id)
    with context.stage(STUDY):
        cells = study_cells(context, task, wanted.study, on_epoch=context.give_way if wanted.idle else lambda: None)
    return {"task_id": task.id, "cells": cells}
