"""The page of the environment variables."""

from docs.reference.markdown import NOTE, joined, table
from worker.variables import ELSEWHERE, VARIABLES


def settings_page() -> str:
    """Lists every variable with its default."""
    return NOTE + joined(
        [
            "# Settings",
            "All settings are environment variables, read when a process starts; an empty one counts as absent. An "
            "invalid value ends the process with a message that names the variable.",
            table(
                ("variable", "default", "meaning"),
                [(f"`{variable.name}`", variable.default, variable.about) for variable in VARIABLES],
            ),
            "## Variables of other programs",
            table(("variable", "meaning"), [(f"`{name}`", about) for name, about in ELSEWHERE.items()]),
        ]
    )
