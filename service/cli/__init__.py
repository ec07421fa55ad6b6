"""The command line."""

from service.cli.command import main

__all__ = ["main"]
