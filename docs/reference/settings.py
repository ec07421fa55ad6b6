"""The page of the environment variables."""

from docs.reference.markdown import NOTE, joined, table
from worker.variables import ELSEWHERE, VARIABLES


def settings_page() -> str:
    """Every variable with its default."""
    return NOTE + joined(
        [
            "# Settings",
            "All of them are environment variables, read when a process starts; an empty one counts as absent. A value "
            "that is not accepted ends the process with a sentence that names the variable.",
            table(
                ("variable", "default", "what it says"),
                [(f"`{variable.name}`", variable.default, variable.about) for variable in VARIABLES],
            ),
            "## Variables that others defined",
            table(("variable", "what it says"), [(f"`{name}`", about) for name, about in ELSEWHERE.items()]),
        ]
    )
