"""Starts and stops the processes of an installation."""
