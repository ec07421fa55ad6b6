"""Accepts POST requests: checks that need no image, then one transaction that stores the request and its job.

Nothing is published here: the dispatcher finds the row of the job and publishes it.
"""
