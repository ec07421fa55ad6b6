"""The runner that a worker's own fork server forks: short trainings, no exporters, and the traps of the home."""

from tests.chaos.forked_runner import leave_exporters_out, make_trainings_short, set_traps
from worker.queue.runner import main

set_traps()
leave_exporters_out()
make_trainings_short()

if __name__ == "__main__":
    main()
