"""The check of command lines finds their errors."""

import pytest

from tests.documentation.commands import command_lines, refused


@pytest.mark.parametrize(
    "line",
    [
        "ldnas up",
        "LDNAS_PORT=0 ldnas up",
        "ldnas task add NAME builtin://digits -g 1,3 --rest",
        "ldnas key create NAME --scope read|write|admin",
        "ldnas recommend builtin://digits --seconds=60  # a comment",
        "ldnas --help",
        "curl localhost",
    ],
)
def test_what_the_program_takes_is_let_through(line: str) -> None:
    assert refused(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ldnas down", "ldnas has no command down"),
        ("ldnas task ad x", "ldnas task has no command ad"),
        ("A=1 ldnas recommend x --second 60", "ldnas recommend x has no option --second"),
    ],
)
def test_what_it_does_not_take_is_named(line: str, why: str) -> None:
    assert refused(line) == why


def test_commands_are_found_wherever_a_shell_begins_one() -> None:
    text = "cd x && ldnas task list\nid=$(ldnas recommend a \\\n  --json | jq .id)  # ldnas up\nA=1 ldnas up"
    assert command_lines(text) == ["ldnas task list", "ldnas recommend a --json", "A=1 ldnas up"]
