"""`ldnas key` and the first admin key: on the database of the home, without a service."""

import io
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from service.api.security.errors import AdminKeyError, KeyRequiredError
from service.api.security.setup import is_loopback, keep_admin_key, require_key_for
from service.api.security.tokens import hash_of
from service.cli import command as cli
from service.cli.commands import processes
from service.client.display.keys import print_keys
from worker.registry import Engine, Scope, open_engine, reading, unit_of_work
from worker.settings import Settings


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("LDNAS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("LDNAS_HOME", str(settings.home))
    return settings.home


@pytest.fixture
def database(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.argv", ["ldnas", *words])
    with pytest.raises(SystemExit) as end, redirect_stderr(said):
        cli.main()
    sys.stderr.write(said.getvalue())
    if end.value.code not in (0, None):
        raise AssertionError(said.getvalue())


def test_a_key_is_printed_once_and_stored_as_a_hash(home: Path, database: Engine) -> None:
    done = CliRunner().invoke(cli.app, ["key", "create", "alice", "--scope", "admin", "--quota", "3"])
    assert done.exit_code == 0, done.output
    key = done.stdout.strip()
    with reading(database) as registry:
        [row] = registry.keys.list()
    assert (row.name, row.scope, row.quota, row.hash) == ("alice", "admin", 3, hash_of(key))
    assert key.startswith(row.prefix)
    # The bytes of the files: neither the table nor its log of writes holds the key.
    stored = b"".join(path.read_bytes() for path in home.glob("ldnas.sqlite3*"))
    assert row.hash.encode() in stored
    assert key.encode() not in stored
    listed = CliRunner().invoke(cli.app, ["key", "list", "--json"])
    assert key not in listed.stdout
    assert [(entry["name"], entry["prefix"]) for entry in json.loads(listed.stdout)] == [("alice", row.prefix)]


def test_a_key_comes_as_json_and_writes_by_default(home: Path, database: Engine) -> None:
    created = json.loads(CliRunner().invoke(cli.app, ["key", "create", "ci", "--json"]).stdout)
    with reading(database) as registry:
        [row] = registry.keys.list()
    assert (created["id"], created["scope"], created["quota"]) == (row.id, "write", None)
    assert hash_of(created["key"]) == row.hash


def test_a_revoked_key_stays_in_the_list(home: Path, database: Engine) -> None:
    for words in (["create", "ci"], ["revoke", "ci"], ["create", "ci", "--scope", "read"]):
        assert CliRunner().invoke(cli.app, ["key", *words]).exit_code == 0
    with reading(database) as registry:
        old, new = registry.keys.list()
    assert (old.revoked_at is None, new.revoked_at is None) == (False, True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["create", "ci"], "a key named 'ci' exists already"),
        (["revoke", "unknown"], "no key has the id, name or prefix 'unknown'"),
    ],
)
def test_a_refusal_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    run(monkeypatch, "key", "create", "ci")
    with pytest.raises(AssertionError, match=expected):
        run(monkeypatch, "key", *words)


@pytest.mark.parametrize("verb", [["create", "x"], ["list"], ["revoke", "x"]])
def test_a_refusal_of_a_database_that_is_not_migrated_names_the_command(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    monkeypatch.setenv("LDNAS_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(AssertionError, match="run `ldnas migrate`"):
        run(monkeypatch, "key", *verb)
    assert not (tmp_path / "nowhere").exists()


def test_the_table_shows_the_last_use_to_within_an_hour() -> None:
    now = 1_800_000_000.0
    facts = {"name": "ci", "prefix": "ldnas_abcdefgh", "scope": "read", "quota": None, "created_at": now - 1e6}
    rows = [
        facts | {"last_used_at": moment, "revoked_at": revoked}
        for moment, revoked in ((None, None), (now - 60, None), (now - 7300, None), (now - 2e5, now - 100))
    ]
    console = Console(record=True, width=200)
    print_keys(rows, now=now, console=console)
    lines = [line.split() for line in console.export_text().splitlines()[1:]]
    assert [" ".join(line[5:]) for line in lines] == [
        "never ·",
        "within the hour ·",
        "2 h ago ·",
        "2027-01-13 2027-01-15",
    ]


def test_migrate_makes_the_admin_key_of_the_file_once(
    home: Path, database: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = secrets.token_hex(32)
    (tmp_path / "admin").write_text(f"{key}\n")
    monkeypatch.setenv("LDNAS_ADMIN_KEY_FILE", str(tmp_path / "admin"))
    for _ in range(2):
        assert key not in CliRunner().invoke(cli.app, ["migrate"]).output
    with reading(database) as registry:
        [row] = registry.keys.list()
    assert (row.name, row.scope, row.hash, row.prefix) == ("admin", "admin", hash_of(key), key[:8])


def test_another_admin_key_in_the_file_is_added_and_a_revoked_one_stays_revoked(
    database: Engine, tmp_path: Path
) -> None:
    said: list[str] = []
    keys = [secrets.token_hex(32) for _ in range(2)]
    for key in (keys[0], keys[1], keys[1]):
        (tmp_path / "admin").write_text(key)
        keep_admin_key(database, tmp_path / "admin", said.append)
    with unit_of_work(database) as registry:
        registry.keys.revoke(keys[1][:8])
    keep_admin_key(database, tmp_path / "admin", said.append)
    with reading(database) as registry:
        rows = [(row.name, row.revoked_at is None) for row in registry.keys.list()]
    assert rows == [("admin", True), (f"admin {keys[1][:8]}", False)]
    assert "revoked" in said[-1]
    assert not any(key in line for key in keys for line in said)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"hunter2", "7 characters"), (b"\xff" * 40, "ASCII"), (None, "No such file")]
)
def test_a_file_without_a_good_key_is_refused_and_not_repeated(
    database: Engine, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "admin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AdminKeyError, match=reason) as refusal:
        keep_admin_key(database, path, print)
    assert "hunter2" not in str(refusal.value)
    with reading(database) as registry:
        assert not registry.keys.list()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_only_this_machines_own_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_others_are_not_served_without_an_active_key(database: Engine, tmp_path: Path) -> None:
    require_key_for(database, "127.0.0.1")
    with pytest.raises(KeyRequiredError, match=r"0\.0\.0\.0.*ldnas key create"):
        require_key_for(database, "0.0.0.0")
    with unit_of_work(database) as registry:
        registry.keys.insert(name="a", prefix="p", hash="h", scope=Scope.READ)
    require_key_for(database, "0.0.0.0")
    with unit_of_work(database) as registry:
        registry.keys.revoke("a")
    with pytest.raises(KeyRequiredError):
        require_key_for(database, "0.0.0.0")
    require_key_for(open_engine(f"sqlite:///{tmp_path}/no/such/folder/x"), "0.0.0.0")


def test_up_refuses_before_it_starts_anything(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDNAS_HOST", "0.0.0.0")
    with pytest.raises(KeyRequiredError):
        processes._prepare(Settings.from_environment(os.environ))
