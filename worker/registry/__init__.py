"""Everything that SQL knows: the queue, the tasks, the results. No SQL is written anywhere else."""
