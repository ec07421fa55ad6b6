"""One frozen `Settings` per process, read from the environment at its entry point and passed down."""

import os
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError
from pydantic.dataclasses import dataclass

from ldnas.networks.names import ARCHITECTURES
from worker.accepted import absolute, digits_only, folder_or_bucket, path_prefix, split_at, url_beginning_with
from worker.database_url import with_password_from, without_password
from worker.errors import SettingsError
from worker.s3 import SCHEME, S3Access

_DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://")
_BROKERS = ("filesystem://", "redis://", "rediss://")
MOST_IN_ONE_PUT = 5 * 2**30
"""The largest object in bytes that S3 takes in one request."""


class Variable:
    """The environment variable of a field, as Markdown where people read it.

    Attributes:
        name: the variable.
        default: its default in words.
        about: its meaning.
        accepted: the accepted values, for the error about another one.
    """

    def __init__(self, name: str, default: str, about: str, accepted: str = "") -> None:
        self.name = name
        self.default = default
        self.about = about
        self.accepted = accepted


_Whole = Annotated[int, BeforeValidator(digits_only)]
_File = Annotated[Path, AfterValidator(absolute)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Host = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?$")
]
_A_DURATION = "a positive number of seconds"


@dataclass(frozen=True)
class Settings:
    """Everything that an operator can set. Each field has its variable with it, which documents the field."""

    home: Annotated[_File, Variable("LDNAS_HOME", "`./var`", "the folder of all data")]
    # Two of the URLs may hold passwords, and a repr ends in logs.
    database_url: Annotated[
        str,
        url_beginning_with(_DATABASES),
        Variable("LDNAS_DATABASE_URL", "SQLite in the home", "`sqlite:///PATH` or `postgresql+psycopg://…`"),
    ] = field(repr=False)
    broker_url: Annotated[
        str,
        url_beginning_with(_BROKERS),
        Variable("LDNAS_BROKER_URL", "`filesystem://`", "a folder of the home, or `redis://…`, `rediss://…`"),
    ] = field(repr=False)
    artifact_url: Annotated[
        str,
        AfterValidator(folder_or_bucket),
        Variable(
            "LDNAS_ARTIFACT_URL",
            "`artifacts` in the home",
            "a folder that API, dispatcher and workers share, or object storage as `s3://BUCKET/PREFIX`; see "
            "[Artifacts on object storage](../operations.md#artifacts-on-object-storage)",
        ),
    ]
    dataset_roots: Annotated[
        tuple[_File, ...],
        split_at(os.pathsep),
        Variable(
            "LDNAS_DATASET_ROOTS", "`datasets` in the home", "folders that `file://` may point into, separated by `:`"
        ),
    ]
    artifact_cache_bytes: Annotated[
        _Whole,
        Field(ge=0, lt=10**18),
        Variable(
            "LDNAS_ARTIFACT_CACHE_BYTES",
            "`10737418240`",
            "with artifacts on `s3://…`: the size in bytes of the copies in `artifact-copies` of the home; beyond it "
            "the copies that were not used for the longest time are removed",
            "a whole number of bytes from 0",
        ),
    ] = 10 * 2**30
    database_password_file: Annotated[
        _File | None, Variable("LDNAS_DATABASE_PASSWORD_FILE", "none", "a file with the password for that URL's user")
    ] = None
    remote_hosts: Annotated[
        tuple[_Host, ...],
        split_at(","),
        Variable(
            "LDNAS_REMOTE_HOSTS",
            "none",
            "hosts that `https://`, `s3://` and webhooks may reach, separated by commas (`data.example.org`, "
            "`*.example.org`, `data.example.org:8443`); none with a private address but that of `AWS_ENDPOINT_URL`",
            "names like data.example.org, *.example.org or data.example.org:8443",
        ),
    ] = ()
    max_upload_bytes: Annotated[
        _Whole,
        Field(ge=1, lt=10**18),
        Variable(
            "LDNAS_MAX_UPLOAD_BYTES",
            "`4294967296`",
            "the largest file that `PUT /v1/datasets/…` takes or a job fetches",
            "a whole number of bytes from 1",
        ),
    ] = 4 * 2**30
    device: Annotated[
        str,
        Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$"),
        Variable("LDNAS_DEVICE", "`auto`", "`auto`, `cpu`, `cuda` or `cuda:N`", "auto, cpu, cuda or cuda:N"),
    ] = "auto"
    network: Annotated[
        Literal[ARCHITECTURES] | None,  # type: ignore[valid-type]  # mypy reads no tuple there
        Variable(
            "LDNAS_NETWORK",
            "`small_cnn`; `vgg16` with a GPU",
            "the network of a task that does not name one: " + ", ".join(f"`{name}`" for name in ARCHITECTURES),
            ", ".join(ARCHITECTURES),
        ),
    ] = None
    host: Annotated[
        str, Variable("LDNAS_HOST", "`127.0.0.1`", "where the API listens; on any other address it needs a key")
    ] = "127.0.0.1"
    port: Annotated[
        _Whole,
        Field(ge=0, le=65535),
        Variable("LDNAS_PORT", "`8000`", "its port; 0 picks a free one", "a whole number from 0 to 65535"),
    ] = 8000
    root_path: Annotated[
        str,
        AfterValidator(path_prefix),
        Variable(
            "LDNAS_ROOT_PATH",
            "none",
            "the path below which a proxy publishes the service, as `/ldnas`",
            "a path such as /ldnas, of letters, digits and . _ ~ -",
        ),
    ] = ""
    lease_seconds: Annotated[
        _Seconds,
        Variable(
            "LDNAS_LEASE_SECONDS", "`60`", "how long a worker holds a job without renewing its lease", _A_DURATION
        ),
    ] = 60.0
    stall_seconds: Annotated[
        _Seconds,
        Variable(
            "LDNAS_STALL_SECONDS",
            "`900`",
            "how long a job may make no progress; progress is an epoch or a round, so raise it for large networks "
            "without a GPU",
            _A_DURATION,
        ),
    ] = 900.0
    study: Annotated[
        Literal["default", "off"],
        Variable(
            "LDNAS_STUDY",
            "`default`",
            "the study of a baseline that is registered without `study`: `default`, two cells within 10 to 180 "
            "seconds, or `off`, none",
            "default or off",
        ),
    ] = "default"
    idle_study_seconds: Annotated[
        float | None,
        Field(gt=0, le=10_000_000, allow_inf_nan=False),
        Variable(
            "LDNAS_IDLE_STUDY",
            "none: off",
            "seconds of a study of a baseline with fewer than two trained cells, which a dispatcher queues while no "
            "job waits or runs; a running one gives way to any other job",
            _A_DURATION,
        ),
    ] = None
    admin_key_file: Annotated[
        _File | None,
        Variable(
            "LDNAS_ADMIN_KEY_FILE",
            "none",
            "a file with the first admin key (32 characters or more); `ldnas migrate` and `ldnas up` create it",
        ),
    ] = None
    default_seconds: Annotated[
        float,
        Field(gt=0, le=10_000_000, allow_inf_nan=False),
        Variable(
            "LDNAS_DEFAULT_SECONDS",
            "`180`",
            "the seconds of a recommendation by a race whose request has no budget",
            "a number of seconds above 0",
        ),
    ] = 180.0
    quota: Annotated[
        _Whole,
        Field(ge=0, le=1_000_000),
        Variable(
            "LDNAS_QUOTA",
            "`100`",
            "how many unfinished recommendations a key may have, unless it was created with its own `--quota`",
            "a whole number from 0 to 1000000",
        ),
    ] = 100
    retention_days: Annotated[
        float,
        Field(ge=1, lt=100_000, allow_inf_nan=False),
        Variable(
            "LDNAS_RETENTION_DAYS",
            "`90`",
            "how long events of ended jobs are stored, and rows and files that nothing refers to any more",
            "a number of days from 1",
        ),
    ] = 90.0
    log_format: Annotated[
        Literal["text", "json"],
        Variable(
            "LDNAS_LOG_FORMAT",
            "`text`",
            "`text`, or `json`: one object a line, with the request and the job that it belongs to",
            "text or json",
        ),
    ] = "text"
    heartbeat_file: Annotated[
        _File | None,
        Variable(
            "LDNAS_HEARTBEAT_FILE",
            "none",
            "a file that `ldnas dispatcher` or `ldnas worker` renews while it works, for a health check",
        ),
    ] = None
    shutdown_seconds: Annotated[
        _Seconds,
        Variable(
            "LDNAS_SHUTDOWN_SECONDS",
            "`3`",
            "how long a worker that is asked to end gives its job to save its state; `ldnas up` waits 8 s in all",
            _A_DURATION,
        ),
    ] = 3.0
    warm_runner: Annotated[
        Literal["on", "off"],
        Variable(
            "LDNAS_WARM_RUNNER",
            "`on`",
            "`on`: a worker keeps one process with torch loaded, which forks the runner of each job, so that a job "
            "begins at once; `off`: each runner loads torch itself, and an idle worker takes less memory. Linux only",
            "on or off",
        ),
    ] = "on"
    s3: S3Access = field(default_factory=S3Access)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings from `LDNAS_*` variables; an empty variable counts as absent.

        Raises:
            SettingsError: a variable holds a value that is not accepted.
        """
        present = {name: value for name, value in environ.items() if value.strip()}
        given = {name: present[variable.name] for name, variable in VARIABLE_OF.items() if variable.name in present}
        home = absolute(Path(given.get("home", "var")))
        values = {
            "home": home,
            "database_url": f"sqlite:///{home / 'ldnas.sqlite3'}",
            "broker_url": "filesystem://",
            "artifact_url": str(home / "artifacts"),
            "dataset_roots": str(home / "datasets"),
        } | given
        try:
            settings = cls(**values, s3=S3Access.from_environment(present))  # type: ignore[arg-type]  # converted
        except ValidationError as error:
            raise _settings_error(error) from None  # its text has the value, which may hold a password
        if settings.artifact_url.startswith(SCHEME) and settings.max_upload_bytes > MOST_IN_ONE_PUT:
            variable = VARIABLE_OF["max_upload_bytes"].name
            accepted = f"at most {MOST_IN_ONE_PUT}, which S3 takes in one request, with LDNAS_ARTIFACT_URL on s3://"
            raise SettingsError(variable, str(settings.max_upload_bytes), accepted)
        password_file = settings.database_password_file
        if password_file is None:
            return settings
        return replace(settings, database_url=with_password_from(password_file, settings.database_url))

    def as_environment(self) -> dict[str, str]:
        """The variables that give a child process exactly these settings (no network = an empty variable).

        Those of S3 are not among them: a child has them from this process's own environment.
        """
        environment = {variable.name: _as_text(getattr(self, name)) for name, variable in VARIABLE_OF.items()}
        if self.database_password_file:
            # A password from a file stays out of the environment, which is easier to read.
            environment["LDNAS_DATABASE_URL"] = without_password(self.database_url)
        return environment

    @property
    def downloads(self) -> Path:
        """The folder of this host's downloads, which jobs store there while they read them."""
        return self.home / "downloads"

    @property
    def artifact_copies(self) -> Path:
        """The folder of this host's copies of artifacts that are in object storage."""
        return self.home / "artifact-copies"

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


def _variables() -> dict[str, Variable]:
    """The variable of each field that has one, by the field's name."""
    hints = get_type_hints(Settings, include_extras=True)
    metadata = {one.name: get_args(hints[one.name])[1:] for one in fields(Settings)}
    return {name: found for name, rest in metadata.items() for found in rest if isinstance(found, Variable)}


VARIABLE_OF = _variables()


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return (os.pathsep if any(isinstance(part, Path) for part in value) else ",").join(map(str, value))
    return "" if value is None else str(value)


def _settings_error(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    variable = VARIABLE_OF[str(first["loc"][0])]
    accepted = first["ctx"]["accepted"] if first["type"] == "accepted" else variable.accepted
    return SettingsError(variable.name, _without_password(str(first["input"])), accepted)


def _without_password(value: str) -> str:
    """A URL in a recognisable form, with `***` for everything that may be user name and password."""
    before, at, place = value.partition("?")[0].rpartition("@")
    scheme, divider, _ = before.partition("://") if "://" in before else ("", "", before)
    return f"{scheme}{divider}***@{place}" if at else value
