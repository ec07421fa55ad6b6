"""The database's password comes from a file, and stays out of the environment of child processes."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from worker.errors import SettingsError
from worker.settings import Settings

URL = "postgresql+psycopg://ldnas@db:5432/ldnas"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("s3cret\n")
    return path


def settings_of(url: str, file: Path) -> Settings:
    return Settings.from_environment({"LDNAS_DATABASE_URL": url, "LDNAS_DATABASE_PASSWORD_FILE": str(file)})


@pytest.mark.parametrize("password", ["s3cret", "a@b:c/d?e#f%20+ ü", " spaces count "])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_password_in_the_file_is_the_one_in_the_url_of_the_database(file: Path, password: str, end: str) -> None:
    file.write_bytes((password + end).encode())
    url = make_url(settings_of(URL, file).database_url)
    assert url.password == password
    assert url.render_as_string() == "postgresql+psycopg://ldnas:***@db:5432/ldnas"


def test_a_url_of_a_socket_takes_a_password_too(file: Path) -> None:
    url = make_url(settings_of("postgresql://ldnas@/ldnas?host=/run/postgresql", file).database_url)
    assert (url.username, url.password, url.query["host"]) == ("ldnas", "s3cret", "/run/postgresql")


def test_a_child_process_gets_the_file_and_not_the_password(file: Path) -> None:
    settings = settings_of(URL, file)
    environment = settings.as_environment()
    assert environment["LDNAS_DATABASE_URL"] == URL
    assert "s3cret" not in str(environment)
    assert Settings.from_environment(environment) == settings


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/ldnas.sqlite3", "postgresql://db/ldnas", "postgresql://ldnas:other@db/ldnas"]
)
def test_a_url_without_a_place_for_the_password_is_refused(file: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="that has a user and no password") as refusal:
        settings_of(url, file)
    assert refusal.value.variable == "LDNAS_DATABASE_PASSWORD_FILE"
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_a_file_without_one_line_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="its only line"):
        settings_of(URL, file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LDNAS_DATABASE_PASSWORD_FILE is '.*absent'"):
        settings_of(URL, tmp_path / "absent")
