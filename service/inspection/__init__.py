"""Looking through a dataset on the caller's machine before it is uploaded, in a process of its own.

What is found there is found by the readers of the service and of the jobs: what passes here is accepted there.
"""
