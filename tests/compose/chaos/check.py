"""Run in a container of the deployment: which rules its database and its artifacts break, as JSON.

`{"keys": {KEY: JOB}}` comes by standard input: the jobs that were accepted, by their idempotency keys.
"""

import json
import os
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy.orm import Session

from tests.chaos import invariants
from worker.registry import JobRow, open_engine
from worker.settings import Settings


def main() -> None:
    """Print the broken rules, and how the jobs ended."""
    keys: dict[str, str] = json.load(sys.stdin)["keys"]
    settings = Settings.from_environment(os.environ)
    ids = list(keys.values())
    with Session(open_engine(settings.database_url)) as session:
        rows = [row for row in (session.get(JobRow, job_id) for job_id in ids) if row is not None]
        found = {
            "ends": Counter(row.state.value for row in rows),
            "attempts": sum(row.attempt for row in rows),
            "most_failures": max((row.failures for row in rows), default=0),
            "errors": [row.error for row in rows if row.error is not None],
            "lost": invariants.lost(session, ids),
            "doubled": invariants.doubled(session, keys),
            "contradictions": invariants.contradictions(session, ids),
            "broken_artifacts": invariants.Store(Path(settings.artifact_url)).broken(session),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
