"""Turns `s3://BUCKET/KEY` into an HTTPS request, signed if the environment has credentials (AWS Signature Version 4).

The variables are those that every S3 client reads: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
`AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`. Without a key the object has to be
public. An S3 client library would resolve and connect by itself, bypassing the guard in `worker.outbound.guard`.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

# The digest of the empty body of a GET.
_EMPTY = hashlib.sha256(b"").hexdigest()
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


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

    def headers(self, url: str, at: datetime | None = None, **more: str) -> dict[str, str]:
        """The headers that sign a GET of `url`; empty without credentials.

        Args:
            at: the moment of the request; None for now.
            more: further headers to sign.
        """
        if self.key_id is None or self.secret is None:
            return {}
        moment = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        headers = {**more, "x-amz-content-sha256": _EMPTY, "x-amz-date": moment}
        if self.token is not None:
            headers["x-amz-security-token"] = self.token
        return {**headers, "Authorization": self._authorization(url, moment, headers)}

    def _authorization(self, url: str, moment: str, headers: Mapping[str, str]) -> str:
        parts = urlsplit(url)
        signed = {"host": parts.netloc, **{name.lower(): value.strip() for name, value in headers.items()}}
        names = ";".join(sorted(signed))
        listed = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = "\n".join(("GET", parts.path, parts.query, listed, names, _EMPTY))
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, digest))
        key = f"AWS4{self.secret}".encode()
        for step in (moment[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return f"AWS4-HMAC-SHA256 Credential={self.key_id}/{scope},SignedHeaders={names},Signature={signature}"
