"""Everything stored in SQL: the queue, the tasks, the results. No other package contains SQL."""
