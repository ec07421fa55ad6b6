"""Output for terminals and notebooks: answers, tables, progress."""
