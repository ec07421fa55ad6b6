"""Settings come from the environment, refuse what they do not understand, and travel to child processes."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from worker.errors import SettingsError
from worker.settings import Settings


def test_without_any_variable_everything_lies_under_the_home_folder() -> None:
    settings = Settings.from_environment({})
    home = Path("var").absolute()
    assert settings.home == home
    assert settings.database_url == f"sqlite:///{home}/ldnas.sqlite3"
    assert settings.broker_url == "filesystem://"
    assert settings.artifact_url == f"{home}/artifacts"
    assert settings.dataset_roots == (home / "datasets",)
    assert (settings.device, settings.network, settings.host, settings.port) == ("auto", None, "127.0.0.1", 8000)


def test_an_empty_variable_counts_as_absent() -> None:
    assert Settings.from_environment({"LDNAS_PORT": "", "LDNAS_NETWORK": " "}) == Settings.from_environment({})


def test_a_child_process_gets_the_same_settings() -> None:
    settings = Settings.from_environment(
        {
            "LDNAS_HOME": "/srv/ldnas",
            "LDNAS_DATABASE_URL": "postgresql://u:p@db/ldnas",
            "LDNAS_BROKER_URL": "redis://queue/0",
            "LDNAS_ARTIFACT_URL": "file:///srv/artifacts",
            "LDNAS_DATASET_ROOTS": "/data/a:/data/b",
            "LDNAS_DEVICE": "cuda:1",
            "LDNAS_NETWORK": "resnet18",
            "LDNAS_HOST": "0.0.0.0",
            "LDNAS_PORT": "9000",
            "LDNAS_LEASE_SECONDS": "12.5",
            "LDNAS_STALL_SECONDS": "100",
            "LDNAS_MAX_UPLOAD_BYTES": "1000000",
            "LDNAS_ADMIN_KEY_FILE": "/run/secrets/admin",
            "LDNAS_QUOTA": "7",
            "LDNAS_HEARTBEAT_FILE": "/run/heartbeat",
            "LDNAS_SHUTDOWN_SECONDS": "20",
            "LDNAS_LOG_FORMAT": "json",
            "LDNAS_RETENTION_DAYS": "30.5",
            "LDNAS_IDLE_STUDY": "60",
            "LDNAS_STUDY": "off",
            "LDNAS_ROOT_PATH": "/team/ldnas/",
            "LDNAS_REMOTE_HOSTS": "Data.example.org, *.example.com:8443",
        }
    )
    assert settings.artifact_url == "/srv/artifacts"
    assert settings.dataset_roots == (Path("/data/a"), Path("/data/b"))
    assert (settings.admin_key_file, settings.quota) == (Path("/run/secrets/admin"), 7)
    assert settings.root_path == "/team/ldnas"
    assert settings.remote_hosts == ("data.example.org", "*.example.com:8443")
    assert Settings.from_environment(settings.as_environment()) == settings
    default = Settings.from_environment({})
    assert Settings.from_environment(default.as_environment()) == default


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LDNAS_DATABASE_URL", "mysql://db/ldnas"),
        ("LDNAS_BROKER_URL", "amqp://queue"),
        ("LDNAS_ARTIFACT_URL", "gs://bucket/ldnas"),
        ("LDNAS_ARTIFACT_URL", "ftp://host/ldnas"),
        ("LDNAS_ARTIFACT_URL", "s3://"),
        ("LDNAS_ARTIFACT_URL", "s3://Bucket/ldnas"),
        ("LDNAS_ARTIFACT_URL", "s3://bucket/a//b"),
        ("LDNAS_ARTIFACT_URL", "s3://bucket/../b"),
        ("LDNAS_ARTIFACT_CACHE_BYTES", "10 GB"),
        ("LDNAS_NETWORK", "vgg17"),
        ("LDNAS_DEVICE", "tpu"),
        ("LDNAS_PORT", "65536"),
        ("LDNAS_PORT", "-1"),
        ("LDNAS_PORT", "-0"),
        ("LDNAS_PORT", "8_000"),
        ("LDNAS_QUOTA", "5.0"),
        ("LDNAS_LEASE_SECONDS", "0"),
        ("LDNAS_LEASE_SECONDS", "soon"),
        ("LDNAS_STALL_SECONDS", "nan"),
        ("LDNAS_STALL_SECONDS", "inf"),
        ("LDNAS_MAX_UPLOAD_BYTES", "0"),
        ("LDNAS_MAX_UPLOAD_BYTES", "2 GB"),
        ("LDNAS_QUOTA", "-1"),
        ("LDNAS_QUOTA", "many"),
        ("LDNAS_LOG_FORMAT", "xml"),
        ("LDNAS_IDLE_STUDY", "0"),
        ("LDNAS_STUDY", "on"),
        ("LDNAS_RETENTION_DAYS", "0"),
        ("LDNAS_RETENTION_DAYS", "nan"),
        ("LDNAS_ROOT_PATH", "ldnas"),
        ("LDNAS_ROOT_PATH", "/a/../b"),
        ("LDNAS_ROOT_PATH", "/a b"),
        ("LDNAS_REMOTE_HOSTS", "https://data.example.org"),
        ("LDNAS_REMOTE_HOSTS", "two hosts"),
        ("LDNAS_REMOTE_HOSTS", "data.*.org"),
    ],
)
def test_a_value_that_is_not_accepted_is_refused_by_the_variables_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is '{value}'; accepted: ") as refusal:
        Settings.from_environment({variable: value})
    assert refusal.value.variable == variable


def test_artifacts_may_lie_in_a_folder_or_below_a_prefix_of_a_bucket() -> None:
    for given, kept in (("s3://bucket/team/ldnas/", "s3://bucket/team/ldnas"), ("s3://bucket", "s3://bucket")):
        settings = Settings.from_environment({"LDNAS_ARTIFACT_URL": given})
        assert settings.artifact_url == kept
        assert Settings.from_environment(settings.as_environment()) == settings
    with pytest.raises(SettingsError, match=r"or s3://BUCKET/PREFIX$"):
        Settings.from_environment({"LDNAS_ARTIFACT_URL": "gs://bucket/ldnas"})


def test_an_upload_has_to_fit_into_one_request_of_object_storage() -> None:
    large = {"LDNAS_MAX_UPLOAD_BYTES": str(5 * 2**30 + 1)}
    assert Settings.from_environment(large).max_upload_bytes == 5 * 2**30 + 1
    with pytest.raises(SettingsError, match=r"LDNAS_MAX_UPLOAD_BYTES .* accepted: at most 5368709120, .* s3://"):
        Settings.from_environment({**large, "LDNAS_ARTIFACT_URL": "s3://bucket/ldnas"})


def test_several_heartbeats_and_sweeps_fit_into_a_lease() -> None:
    for lease in ("0.5", "60", "3600"):
        settings = Settings.from_environment({"LDNAS_LEASE_SECONDS": lease})
        assert settings.heartbeat_seconds + settings.poll_seconds < settings.lease_seconds / 2
        assert settings.sweep_seconds <= min(5, settings.lease_seconds / 6)


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.from_environment({}).port = 1  # type: ignore[misc]


def test_a_repr_contains_no_password() -> None:
    settings = Settings.from_environment(
        {"LDNAS_DATABASE_URL": "postgresql://u:hunter2@db/x", "LDNAS_BROKER_URL": "redis://:hunter2@queue/0"}
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" in settings.database_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://u:hunter2@db/x", "mysql://***@db/x"),
        ("u:hunter2@db/x", "***@db/x"),
        ("mysql://u:hun://ter2@db/x", "mysql://***@db/x"),
        ("postgresql://u:hun@hunter2@db/x", "postgresql://***@db/x"),
        ("mysql://u:a@db/x?password=hunter2", "mysql://***@db/x"),
    ],
)
def test_a_refused_url_is_shown_without_its_password(url: str, shown: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"LDNAS_DATABASE_URL": url})
    assert repr(shown) in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
