"""Checks of a document's code blocks that do not run them."""

import json
import os
import re
import subprocess
import tomllib

import pytest
from ruamel.yaml import YAML

from tests.documentation.commands import command_lines, refused
from tests.documentation.pages import REASONS, ROOT, RUN, SHOWN, Block, all_blocks, name_of, pages
from tests.documentation.shell import missing_programs

SHELL = [block for block in all_blocks() if block.language == "bash"]


def places(block: Block) -> str:
    return block.place


def test_every_block_has_a_known_language_and_a_reason_where_it_is_not_run() -> None:
    assert len(SHELL) > 10
    assert [block.place for block in all_blocks() if block.language not in (*RUN, *SHOWN)] == []
    assert [block.place for block in all_blocks() if block.reason is not None and block.reason not in REASONS] == []
    assert [block.place for block in all_blocks() if block.reason and block.language in SHOWN] == []


def test_no_comment_of_a_page_stands_where_it_says_nothing() -> None:
    for page in pages():
        written = re.findall(r"^<!-- (?:not run|then): ", page.read_text(encoding="utf-8"), re.MULTILINE)
        of_page = [block for block in all_blocks() if block.page == name_of(page)]
        assert len(written) == sum((block.reason is not None) + (block.then is not None) for block in of_page), page


@pytest.mark.parametrize("block", SHELL, ids=places)
def test_the_shell_can_read_it_and_ldnas_and_make_take_it(block: Block) -> None:
    read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    assert [why for line in command_lines(block.text) if (why := refused(line))] == []
    assert set(re.findall(r"^make ([\w-]+)", block.text, re.MULTILINE)) <= make_targets()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.findall(r"(?:\.|ldnas|ldnas\.git)\[([\w,]+)\]", block.text)
    assert {extra for several in extras for extra in several.split(",")} <= set(project["optional-dependencies"])


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    benchmarks = re.search(r"^BENCHMARKS := (.*)$", text, re.MULTILINE)
    assert benchmarks is not None
    return {*re.findall(r"^([\w-]+):", text, re.MULTILINE), *benchmarks[1].split()}


def test_every_make_target_within_a_sentence_exists() -> None:
    found = {target for page in pages() for target in re.findall(r"`make ([\w-]+)", page.read_text(encoding="utf-8"))}
    assert {"demo", "bench-fisher", "reference"} <= found
    assert found <= make_targets()


def test_every_command_within_a_sentence_is_one_that_the_program_takes() -> None:
    found = [
        (name_of(page), line)
        for page in pages()
        for line in re.findall(r"`((?:[A-Z_]+=\S+ )?ldnas [^`\n]+)`", page.read_text(encoding="utf-8"))
    ]
    assert len(found) > 10
    assert [(page, line, why) for page, line in found if (why := refused(line.split(" | ")[0].replace("'", "")))] == []


def test_blocks_of_json_and_yaml_can_be_parsed() -> None:
    for block in all_blocks():
        if block.language == "json":
            json.loads(block.text)
        if block.language == "yaml":
            YAML(typ="safe").load(block.text)


def test_docker_commands_name_services_and_profiles_of_the_compose_file() -> None:
    compose = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", ())}
    text = "\n".join(block.text for block in SHELL if block.reason == "needs a Docker engine")
    assert set(re.findall(r"--profile (\w+)", text)) <= profiles
    named = re.findall(r"(?:run --rm|--no-deps|--scale) ([\w-]+)", text)
    assert named
    assert set(named) <= set(services)


@pytest.mark.skipif("CI" not in os.environ, reason="a newcomer's machine may lack programs that some blocks call")
def test_ci_has_the_programs_that_the_blocks_call() -> None:
    assert {program for block in all_blocks() if block.is_run for program in missing_programs(block)} == set()
