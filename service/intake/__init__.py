"""What a POST goes through: the checks that need no image, then one transaction that stores the wish and its job.

Nothing is published here: the row of the job is the message, and the dispatcher finds it.
"""
