"""The reference pages say what the code says."""

import pytest

from docs.reference.generated import FOLDER, pages
from worker.settings import Settings
from worker.variables import VARIABLES


@pytest.mark.parametrize("name", ["settings.md", "command-line.md", "api.md", "client.md"])
def test_a_reference_page_is_what_the_code_makes_of_it(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], "`make reference` writes it again"


def test_every_default_in_the_table_of_settings_holds() -> None:
    defaults = Settings.from_environment({}).as_environment()
    stated = {
        variable.name: variable.default.strip("`")
        for variable in VARIABLES
        if variable.default.count("`") == 2 and variable.default.startswith("`") and variable.default.endswith("`")
    }
    compared = {name: value for name, value in stated.items() if name in defaults and name != "LDNAS_HOME"}
    assert len(compared) > 8
    assert {name: defaults[name].removesuffix(".0") for name in compared} == compared
