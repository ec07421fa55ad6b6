"""Documents every environment variable that the programs read; `docs/reference/settings.md` is generated from it."""

from worker.settings import VARIABLE_OF, Variable

VARIABLES = (
    *VARIABLE_OF.values(),
    Variable("LDNAS_URL", "`http://127.0.0.1:8000`", "the service that the command line talks to"),
    Variable("LDNAS_WEBHOOK_SECRET", "none", "for `ldnas recommend --webhook`: the secret that signs the message"),
    Variable("LDNAS_API_KEY", "none", "the key that the command line sends"),
)

ELSEWHERE = {
    "AWS_ACCESS_KEY_ID": "with `AWS_SECRET_ACCESS_KEY`: workers sign their requests to `s3://…` by them, and API, "
    "dispatcher and workers those to artifacts in object storage",
    "AWS_SESSION_TOKEN": "for temporary credentials",
    "AWS_REGION": "or `AWS_DEFAULT_REGION`: of the buckets; `us-east-1` by default",
    "AWS_ENDPOINT_URL": "a host other than Amazon's with the S3 API, as `https://minio.internal:9000`; it may have a "
    "private address, and for datasets `LDNAS_REMOTE_HOSTS` has to list it",
    "AWS_SHARED_CREDENTIALS_FILE": "a file with the key of artifacts in object storage, which datasets do not use; "
    "read without `AWS_ACCESS_KEY_ID`",
    "AWS_CA_BUNDLE": "the authorities that certify the server of artifacts in object storage, without `SSL_CERT_FILE`",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where traces are sent; see [Traces](../operations.md#traces)",
    "HTTP_PROXY": "or `HTTPS_PROXY`, `ALL_PROXY`: the proxy to a service on another machine; see "
    "[Proxies](../how-to/from-programs.md#proxies-and-certificates)",
    "NO_PROXY": "hosts, domains and networks that are reached without it",
    "SSL_CERT_FILE": "or `SSL_CERT_DIR`: the authorities that certify `https://` servers, in place of certifi's: of "
    "the service for the command line, and of datasets and webhooks for workers and dispatcher",
    "TMPDIR": "where `ldnas dataset add` packs a folder; `/tmp` by default",
    "FORWARDED_ALLOW_IPS": "uvicorn's: proxies whose `X-Forwarded-…` headers are trusted",
    "XDG_CACHE_HOME": "below it `ldnas predict` caches the networks that it fetched; `~/.cache` by default",
}
"""Variables of other programs that also apply: name → purpose."""
