"""Documents every environment variable that the programs read; `docs/reference/settings.md` is generated from it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One variable: its default and its description, both as Markdown."""

    name: str
    default: str
    about: str


VARIABLES = (
    Variable("LDNAS_HOME", "`./var`", "the folder of all data"),
    Variable("LDNAS_DATABASE_URL", "SQLite in the home", "`sqlite:///PATH` or `postgresql+psycopg://…`"),
    Variable("LDNAS_DATABASE_PASSWORD_FILE", "none", "a file with the password for that URL's user"),
    Variable("LDNAS_BROKER_URL", "`filesystem://`", "a folder of the home, or `redis://…`, `rediss://…`"),
    Variable("LDNAS_ARTIFACT_URL", "`artifacts` in the home", "a folder that API and workers share"),
    Variable(
        "LDNAS_DATASET_ROOTS", "`datasets` in the home", "folders that `file://` may point into, separated by `:`"
    ),
    Variable(
        "LDNAS_REMOTE_HOSTS",
        "none",
        "hosts that `https://`, `s3://` and webhooks may reach, separated by commas (`data.example.org`, "
        "`*.example.org`, `data.example.org:8443`); never a private address",
    ),
    Variable(
        "LDNAS_MAX_UPLOAD_BYTES", "`4294967296`", "the largest file that `PUT /v1/datasets/…` takes or a job fetches"
    ),
    Variable("LDNAS_DEVICE", "`auto`", "`auto`, `cpu`, `cuda` or `cuda:N`"),
    Variable(
        "LDNAS_NETWORK",
        "`small_cnn`; `vgg16` with a GPU",
        "the network of a task that does not name one: `small_cnn`, `vgg16`, `vgg16_plain`, `resnet18`, `densenet121`",
    ),
    Variable("LDNAS_HOST", "`127.0.0.1`", "where the API listens; on any other address it needs a key"),
    Variable("LDNAS_PORT", "`8000`", "its port; 0 picks a free one"),
    Variable("LDNAS_LEASE_SECONDS", "`60`", "how long a worker holds a job without renewing its lease"),
    Variable(
        "LDNAS_STALL_SECONDS",
        "`900`",
        "how long a job may make no progress; progress is an epoch or a round, so raise it for large networks without "
        "a GPU",
    ),
    Variable(
        "LDNAS_ADMIN_KEY_FILE",
        "none",
        "a file with the first admin key (32 characters or more); `ldnas migrate` and `ldnas up` create it",
    ),
    Variable(
        "LDNAS_QUOTA",
        "`100`",
        "how many unfinished recommendations a key may have, unless it was created with its own `--quota`",
    ),
    Variable(
        "LDNAS_RETENTION_DAYS",
        "`90`",
        "how long events of ended jobs are stored, and rows and files that nothing refers to any more",
    ),
    Variable(
        "LDNAS_LOG_FORMAT",
        "`text`",
        "`text`, or `json`: one object a line, with the request and the job that it belongs to",
    ),
    Variable(
        "LDNAS_HEARTBEAT_FILE",
        "none",
        "a file that `ldnas dispatcher` or `ldnas worker` renews while it works, for a health check",
    ),
    Variable(
        "LDNAS_SHUTDOWN_SECONDS",
        "`3`",
        "how long a worker that is asked to end gives its job to save its state; `ldnas up` waits 8 s in all",
    ),
    Variable("LDNAS_URL", "`http://127.0.0.1:8000`", "the service that the command line talks to"),
    Variable("LDNAS_WEBHOOK_SECRET", "none", "for `ldnas recommend --webhook`: the secret that signs the message"),
    Variable("LDNAS_API_KEY", "none", "the key that the command line sends"),
)

ELSEWHERE = {
    "AWS_ACCESS_KEY_ID": "with `AWS_SECRET_ACCESS_KEY`: workers sign their requests to `s3://…` by them",
    "AWS_SESSION_TOKEN": "for temporary credentials",
    "AWS_REGION": "or `AWS_DEFAULT_REGION`: of the buckets; `us-east-1` by default",
    "AWS_ENDPOINT_URL": "a host other than Amazon's with the S3 API",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where traces are sent; see [Traces](../operations.md#traces)",
    "FORWARDED_ALLOW_IPS": "uvicorn's: proxies whose `X-Forwarded-…` headers are trusted",
    "XDG_CACHE_HOME": "below it `ldnas predict` caches the networks that it fetched; `~/.cache` by default",
}
"""Variables of other programs that also apply: name → purpose."""
