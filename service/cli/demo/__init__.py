"""`ldnas demo`: runs the whole service once, from registering tasks to a recommendation."""
