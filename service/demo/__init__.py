"""`ldnas demo`: everything once, from nothing to an answer."""
