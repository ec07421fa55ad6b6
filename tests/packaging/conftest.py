"""The wheel, and two installations of it."""

from pathlib import Path

import pytest

from tests.packaging.installation import Installation, build_wheel, install, install_sharing_dependencies


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel with everything that the extra `worker` brings."""
    return install_sharing_dependencies(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="session")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """What `pip install .` gives: the wheel and its dependencies, without any extra, from the registry."""
    return install(tmp_path_factory.mktemp("base"), str(wheel))
