"""The location of `s3://BUCKET/KEY`, and the credentials of requests to it, from the environment.

The variables are those that every S3 client reads: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
`AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`. Without a key the object has to be
public.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

SCHEME = "s3://"
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


@dataclass(frozen=True)
class S3Folder:
    """The objects of a bucket whose keys begin with a prefix; an empty prefix is the whole bucket."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, url: str) -> "S3Folder":
        """Read `s3://BUCKET` or `s3://BUCKET/PREFIX`.

        Raises:
            ValueError: the bucket's name is invalid, or the prefix has not only letters, digits and `. _ - /`.
        """
        bucket, _, prefix = url.removeprefix(SCHEME).rstrip("/").partition("/")
        if not url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket) or (prefix and not _PREFIX.fullmatch(prefix)):
            raise ValueError(f"{url} is not s3://BUCKET/PREFIX")
        return cls(bucket, prefix)

    def key(self, name: str) -> str:
        """The key of an object below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def contains(self, bucket: str, key: str) -> bool:
        """Whether an object lies below the prefix."""
        return bucket == self.bucket and key.startswith(self.key(""))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class S3Access:
    """The location of objects, and the credentials of the requests.

    Attributes:
        endpoint: another service with the S3 API, such as `https://minio.example.org`; None for Amazon's.
    """

    region: str = "us-east-1"
    endpoint: str | None = None
    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "S3Access":
        """Read the usual variables."""
        return cls(
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or cls.region,
            endpoint=environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"),
            key_id=environ.get("AWS_ACCESS_KEY_ID"),
            secret=environ.get("AWS_SECRET_ACCESS_KEY"),
            token=environ.get("AWS_SESSION_TOKEN"),
        )

    def url(self, bucket: str, key: str) -> str:
        """The URL of an object: below its bucket's own host at Amazon, below a path of the endpoint elsewhere.

        Raises:
            ValueError: the bucket's name is invalid, or the key is missing.
        """
        if not _BUCKET.fullmatch(bucket) or not key:
            raise ValueError(f"s3://{bucket}/{key} does not name an object; write s3://bucket/path/to/object")
        path = quote(key, safe="/-_.~")
        if self.endpoint is not None:
            return f"{self.endpoint.rstrip('/')}/{bucket}/{path}"
        return f"https://{bucket}.s3.{self.region}.amazonaws.com/{path}"
