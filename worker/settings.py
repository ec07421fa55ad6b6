"""One frozen `Settings` per process, read from the environment at its entry point and passed down."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ldnas.networks.names import ARCHITECTURES
from worker.database_url import with_password_from, without_password
from worker.errors import SettingsError
from worker.process.logs import FORMATS
from worker.s3 import S3Access

DEFAULT_MAX_UPLOAD_BYTES = 4 * 2**30

_DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://")
_FILES = ("sqlite:", "filesystem:")
_BROKERS = ("filesystem://", "redis://", "rediss://")


@dataclass(frozen=True)
class Settings:
    """Everything that an operator can set; `worker/variables.py` documents each variable."""

    home: Path
    database_url: str = field(repr=False)  # the two URLs may hold passwords, and a repr ends in logs
    broker_url: str = field(repr=False)
    artifact_url: str
    dataset_roots: tuple[Path, ...]
    device: str = "auto"
    network: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    lease_seconds: float = 60.0
    stall_seconds: float = 900.0
    max_upload_bytes: int = DEFAULT_MAX_UPLOAD_BYTES
    admin_key_file: Path | None = None
    quota: int = 100
    database_password_file: Path | None = None
    heartbeat_file: Path | None = None
    shutdown_seconds: float = 3.0
    log_format: str = "text"
    retention_days: float = 90.0
    remote_hosts: tuple[str, ...] = ()
    s3: S3Access = field(default_factory=S3Access)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings from `LDNAS_*` variables; an empty variable counts as absent.

        Raises:
            SettingsError: a variable holds a value that is not accepted.
        """
        present = {name: value for name, value in environ.items() if value.strip()}
        home = Path(present.get("LDNAS_HOME", "var")).expanduser().absolute()
        roots = present.get("LDNAS_DATASET_ROOTS", str(home / "datasets")).split(os.pathsep)
        database_url = _url(present, "LDNAS_DATABASE_URL", f"sqlite:///{home / 'ldnas.sqlite3'}", _DATABASES)
        password_file = _file(present, "LDNAS_DATABASE_PASSWORD_FILE")
        return cls(
            home=home,
            database_url=with_password_from(password_file, database_url) if password_file else database_url,
            broker_url=_url(present, "LDNAS_BROKER_URL", "filesystem://", _BROKERS),
            artifact_url=_folder(present, "LDNAS_ARTIFACT_URL", str(home / "artifacts")),
            dataset_roots=tuple(Path(root).expanduser().absolute() for root in roots if root),
            device=_device(present),
            network=_network(present),
            host=present.get("LDNAS_HOST", "127.0.0.1"),
            port=_whole(present, "LDNAS_PORT", 8000, least=0, most=65535),
            lease_seconds=_seconds(present, "LDNAS_LEASE_SECONDS", 60.0),
            stall_seconds=_seconds(present, "LDNAS_STALL_SECONDS", 900.0),
            max_upload_bytes=_bytes(present, "LDNAS_MAX_UPLOAD_BYTES", DEFAULT_MAX_UPLOAD_BYTES),
            admin_key_file=_file(present, "LDNAS_ADMIN_KEY_FILE"),
            quota=_whole(present, "LDNAS_QUOTA", 100, least=0, most=1_000_000),
            database_password_file=password_file,
            heartbeat_file=_file(present, "LDNAS_HEARTBEAT_FILE"),
            shutdown_seconds=_seconds(present, "LDNAS_SHUTDOWN_SECONDS", 3.0),
            log_format=_one_of(present, "LDNAS_LOG_FORMAT", FORMATS),
            retention_days=_days(present, "LDNAS_RETENTION_DAYS", 90.0),
            remote_hosts=_hosts(present),
            s3=S3Access.from_environment(present),
        )

    def as_environment(self) -> dict[str, str]:
        """The variables that give a child process exactly these settings (no network = an empty variable).

        Those of S3 are not among them: a child has them from this process's own environment.
        """
        # A password from a file stays out of the environment, which is easier to read.
        database_url = without_password(self.database_url) if self.database_password_file else self.database_url
        return {
            "LDNAS_HOME": str(self.home),
            "LDNAS_DATABASE_URL": database_url,
            "LDNAS_DATABASE_PASSWORD_FILE": str(self.database_password_file or ""),
            "LDNAS_BROKER_URL": self.broker_url,
            "LDNAS_ARTIFACT_URL": self.artifact_url,
            "LDNAS_DATASET_ROOTS": os.pathsep.join(map(str, self.dataset_roots)),
            "LDNAS_DEVICE": self.device,
            "LDNAS_NETWORK": self.network or "",
            "LDNAS_HOST": self.host,
            "LDNAS_PORT": str(self.port),
            "LDNAS_LEASE_SECONDS": str(self.lease_seconds),
            "LDNAS_STALL_SECONDS": str(self.stall_seconds),
            "LDNAS_MAX_UPLOAD_BYTES": str(self.max_upload_bytes),
            "LDNAS_ADMIN_KEY_FILE": str(self.admin_key_file or ""),
            "LDNAS_QUOTA": str(self.quota),
            "LDNAS_HEARTBEAT_FILE": str(self.heartbeat_file or ""),
            "LDNAS_SHUTDOWN_SECONDS": str(self.shutdown_seconds),
            "LDNAS_LOG_FORMAT": self.log_format,
            "LDNAS_RETENTION_DAYS": str(self.retention_days),
            "LDNAS_REMOTE_HOSTS": ",".join(self.remote_hosts),
        }

    @property
    def downloads(self) -> Path:
        """The folder of this host's downloads, which jobs store there while they read them."""
        return self.home / "downloads"

    @property
    def heartbeat_seconds(self) -> float:
        """How often a worker renews its lease: three renewals may be missed before it is lost."""
        return self.lease_seconds / 4

    @property
    def sweep_seconds(self) -> float:
        """How often the dispatcher looks for lost leases."""
        return min(5.0, self.lease_seconds / 6)

    @property
    def poll_seconds(self) -> float:
        """How often the dispatcher looks for jobs to publish, and a worker for a request to cancel."""
        return min(0.5, self.lease_seconds / 6)

    @property
    def republish_seconds(self) -> float:
        """How long a published job may stay queued before the dispatcher publishes it again."""
        return self.lease_seconds

    @property
    def wait_seconds(self) -> float:
        """How long a job that waits for others stays in the queue before it checks again."""
        return 2.0


def _url(environ: Mapping[str, str], variable: str, default: str, schemes: tuple[str, ...]) -> str:
    value = environ.get(variable, default)
    if not value.startswith(schemes):
        raise SettingsError(variable, _without_password(value), "a URL that begins with " + ", ".join(schemes))
    if value.count("@") > 1 and not value.startswith(_FILES):
        # A parser that takes the rest for the host would show a part of the password in its errors.
        raise SettingsError(variable, _without_password(value), "a URL with %40 for an @ in its password")
    return value


def _without_password(url: str) -> str:
    """The URL in a recognisable form, with `***` for everything that may be user name and password."""
    before, at, place = url.partition("?")[0].rpartition("@")
    scheme, divider, _ = before.partition("://") if "://" in before else ("", "", before)
    return f"{scheme}{divider}***@{place}" if at else url


def _folder(environ: Mapping[str, str], variable: str, default: str) -> str:
    value = environ.get(variable, default)
    if "://" in value and not value.startswith("file:///"):
        raise SettingsError(variable, value, "the path of a folder that all processes share, or file:///PATH")
    return str(Path(value.removeprefix("file://")).expanduser().absolute())


def _network(environ: Mapping[str, str]) -> str | None:
    value = environ.get("LDNAS_NETWORK")
    if value is not None and value not in ARCHITECTURES:
        raise SettingsError("LDNAS_NETWORK", value, ", ".join(ARCHITECTURES))
    return value


def _one_of(environ: Mapping[str, str], variable: str, accepted: tuple[str, ...]) -> str:
    value = environ.get(variable, accepted[0])
    if value not in accepted:
        raise SettingsError(variable, value, " or ".join(accepted))
    return value


def _device(environ: Mapping[str, str]) -> str:
    value = environ.get("LDNAS_DEVICE", "auto")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise SettingsError("LDNAS_DEVICE", value, "auto, cpu, cuda or cuda:N")
    return value


def _whole(environ: Mapping[str, str], variable: str, default: int, *, least: int, most: int) -> int:
    value = environ.get(variable, str(default))
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
        raise SettingsError(variable, value, f"a whole number from {least} to {most}")
    return int(value)


def _file(environ: Mapping[str, str], variable: str) -> Path | None:
    value = environ.get(variable)
    return None if value is None else Path(value).expanduser().absolute()


def _days(environ: Mapping[str, str], variable: str, default: float) -> float:
    value = environ.get(variable, str(default))
    if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", value, re.ASCII) or float(value) < 1:
        raise SettingsError(variable, value, "a number of days from 1")
    return float(value)


def _seconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    value = environ.get(variable, str(default))
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SettingsError(variable, value, "a positive number of seconds")
    return seconds


def _bytes(environ: Mapping[str, str], variable: str, default: int) -> int:
    value = environ.get(variable, str(default))
    if not re.fullmatch(r"[1-9]\d{0,17}", value, re.ASCII):
        raise SettingsError(variable, value, "a whole number of bytes from 1")
    return int(value)


def _hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    value = environ.get("LDNAS_REMOTE_HOSTS", "")
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    for host in hosts:
        if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?", host, re.ASCII):
            raise SettingsError(
                "LDNAS_REMOTE_HOSTS", host, "names like data.example.org, *.example.org or data.example.org:8443"
            )
    return hosts
