"""Checks a dataset on the user's machine before it is uploaded, in a separate process.

The check uses the same readers as the service and the jobs: a file that passes it is accepted there.
"""
