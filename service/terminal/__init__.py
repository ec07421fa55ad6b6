"""What a person reads in a terminal: answers, tables, progress."""
