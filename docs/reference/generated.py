"""The generated pages of the reference, and their common parts."""

from pathlib import Path

from docs.reference.api import api_page
from docs.reference.client import client_page
from docs.reference.command_line import command_line_page
from docs.reference.settings import settings_page

FOLDER = Path(__file__).parent


def pages() -> dict[str, str]:
    """Returns each page's file name and text."""
    return {
        "settings.md": settings_page(),
        "command-line.md": command_line_page(),
        "api.md": api_page(),
        "client.md": client_page(),
    }
