"""The page of the command line."""

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from docs.reference.markdown import NOTE, joined, table
from service.cli.command import app
from service.cli.commands.exit_codes import MEANINGS


def command_line_page() -> str:
    """Lists every command with its arguments and options."""
    root: Any = typer.main.get_command(app)
    return NOTE + joined(
        [
            "# Command line",
            "`ldnas COMMAND --help` has the same text. `--json` prints exactly the API's answer on standard output; "
            "an empty answer prints nothing. Progress and messages go to standard error.",
            "`ldnas --install-completion` makes the shell complete commands. It completes the names of tasks, datasets "
            "and networks if the service answers at once.",
            table(("exit code", ""), [(f"`{code.value}`", meaning) for code, meaning in MEANINGS.items()]),
            *(part for path, command in _leaves(root, ()) for part in _command(path, command)),
        ]
    )


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if not children or getattr(command, "invoke_without_command", False):
        yield path, command
    for name, child in (children or {}).items():
        yield from _leaves(child, (*path, name))


def _command(path: Sequence[str], command: Any) -> list[str]:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option" and parameter.name != "help"]
    usage = " ".join(("ldnas", *path, *(_metavar(argument) for argument in arguments)))
    return [
        f"## `{usage}`",
        "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n")),
        command.epilog or "",
        table(("argument", ""), [(f"`{_metavar(argument)}`", argument.help or "") for argument in arguments]),
        table(("option", "", "default"), [_option(option) for option in options]),
    ]


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> tuple[str, str, str]:
    kind = "" if option.is_flag else f" {option.metavar or '…'}"
    names = ", ".join(f"`{name}{kind}`" for name in (*option.opts, *option.secondary_opts))
    variable = f" (`{option.envvar}`)" if option.envvar else ""
    several = " May be given several times." if option.multiple else ""
    default = option.default
    shown = "" if default is None or default is False or default == [] or callable(default) else f"`{default}`"
    return names, f"{option.help or ''}{several}{variable}", shown
