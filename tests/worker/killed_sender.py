"""A sender in a process of its own, for a test to kill: `python -m tests.worker.killed_sender DATABASE_URL`."""

import sys

from tests.worker.local_guard import local_guard
from worker.outbound.webhooks import send_one
from worker.registry import open_engine

if __name__ == "__main__":
    send_one(open_engine(sys.argv[1]), local_guard(), lease_seconds=-1.0)
