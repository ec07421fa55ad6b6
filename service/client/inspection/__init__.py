"""Checks a dataset on the user's machine before it is uploaded, in a separate process.

The check surveys a file as the service does, with the readers of the jobs: a file that passes it is accepted there.
"""
