"""Requests to the objects below a prefix of one bucket, whose failures become plain sentences.

Unlike requests to datasets, which clients name (`worker.outbound`), these go only where the operator says. So the
client of botocore sends them, with its order of credentials: variables, shared files, roles.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.session import Session

from worker.errors import ArtifactStoreError
from worker.s3 import S3Access, S3Folder

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
"""The longest silence of the server within a request of a job."""

SHORT_SILENCE_SECONDS = 10.0
"""The same for requests that nothing tries again later: people and probes wait for them."""

TRIES = 2
"""Of one request of a job, at once; the pauses between further tries are the caller's."""

_CHUNK_BYTES = 2**20
_CONNECTIONS = 32
_PASSING = {"SlowDown", "RequestTimeout", "OperationAborted", "ServiceUnavailable", "InternalError"}
_ACCEPTED_KEY = (
    "credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE) that may list the "
    "bucket and read, write and delete its objects"
)


@dataclass(frozen=True)
class StoredObject:
    """An object below the prefix.

    Attributes:
        name: its key without the prefix.
        modified: when it was last stored, in seconds since 1970 on the server's clock.
    """

    name: str
    size: int
    modified: float


class Bucket:
    """The objects below a prefix of a bucket.

    The constructor raises ArtifactStoreError if the variables of the key, the endpoint or the region are not valid.
    Every method does if its request fails; where that may pass, it tries again after each of `pauses`, in seconds.
    """

    def __init__(self, folder: S3Folder, access: S3Access, *, pauses: tuple[float, ...] = ()) -> None:
        self._folder = folder
        self._server = access.endpoint or f"S3 in {access.region}"
        self._pauses = pauses
        try:
            self._client = _client(access, is_patient=bool(pauses))
        except (BotoCoreError, ValueError) as error:
            raise ArtifactStoreError(
                f"LDNAS_ARTIFACT_URL is {folder}, and requests to it cannot be prepared ({error}); accepted: "
                f"{_ACCEPTED_KEY}, https://HOST in AWS_ENDPOINT_URL, and a region in AWS_REGION"
            ) from error

    def url(self, name: str) -> str:
        """The `s3://` URL of an object, for messages."""
        return f"s3://{self._folder.bucket}/{self._folder.key(name)}"

    def put(self, name: str, body: bytes | Path) -> None:
        """Store bytes, or a file's content; the object is there, whole, when this returns."""

        def send() -> None:
            if isinstance(body, bytes):
                self._client.put_object(**self._object(name), Body=body)
                return
            with body.open("rb") as file:
                self._client.put_object(**self._object(name), Body=file)

        self._try(send)

    def read_into(self, name: str, write: Callable[[bytes], object], *, begin: Callable[[], object]) -> None:
        """Pass the bytes of an object to `write`, after `begin`, which every further try calls again.

        Raises:
            FileNotFoundError: no object has the name.
        """

        def receive() -> None:
            begin()
            # Not `with … as body`: that gives the stream below it, which takes a broken connection for the end.
            with closing(self._client.get_object(**self._object(name))["Body"]) as body:
                while chunk := body.read(_CHUNK_BYTES):
                    write(chunk)

        try:
            self._try(receive)
        except _NoObjectError as error:
            raise FileNotFoundError(f"{self.url(name)} does not exist") from error

    def age(self, name: str) -> float | None:
        """The seconds since the object was last stored, on the server's clock; None if no object has the name."""
        head = self._head(name)
        if head is None:
            return None
        now = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - head["LastModified"]).total_seconds())

    def modified(self, name: str) -> float | None:
        """When the object was last stored, as in `StoredObject`; None if no object has the name."""
        head = self._head(name)
        return None if head is None else float(head["LastModified"].timestamp())

    def remove(self, name: str) -> None:
        """Remove an object, if it exists."""
        self._try(lambda: self._client.delete_object(**self._object(name)))

    def objects(self, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
        """The objects whose names begin with `prefix` and come after `after`, in the order of their names."""
        last = self._folder.key(after) if after else ""
        cut = len(self._folder.key(""))
        while True:
            page = self._try(lambda last=last: self._page(prefix, last))  # type: ignore[misc]
            entries = page.get("Contents", ())
            for entry in entries:
                last = entry["Key"]
                yield StoredObject(last[cut:], entry["Size"], entry["LastModified"].timestamp())
            if not page["IsTruncated"] or not entries:
                return

    def _page(self, prefix: str, last: str) -> Any:
        return self._client.list_objects_v2(
            Bucket=self._folder.bucket, Prefix=self._folder.key(prefix), StartAfter=last
        )

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._folder.bucket, "Key": self._folder.key(name)}

    def _head(self, name: str) -> Any:
        try:
            return self._try(lambda: self._client.head_object(**self._object(name)))
        except _NoObjectError:
            return None

    def _try(self, request: Callable[[], T]) -> T:
        for pause in (*self._pauses, None):
            try:
                return request()
            except (BotoCoreError, ClientError) as error:
                failure = self._failure(error)
                if pause is None or not failure.may_pass:
                    raise failure from error
                log.warning("%s; the next try in %g s", failure, pause)
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _failure(self, error: BotoCoreError | ClientError) -> ArtifactStoreError:
        setting = f"LDNAS_ARTIFACT_URL is {self._folder}"
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return ArtifactStoreError(f"{setting}, and no key is set; accepted: {_ACCEPTED_KEY}")
        if not isinstance(error, ClientError):
            return ArtifactStoreError(
                f"{setting}, and {self._server} does not answer ({error}); accepted: s3://BUCKET/PREFIX on a server "
                "that can be reached, which AWS_ENDPOINT_URL names if it is not Amazon's",
                may_pass=True,
            )
        reason = error.response.get("Error", {})
        code, text = str(reason.get("Code", "")), str(reason.get("Message", "no reason given"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code == "NoSuchBucket":
            return ArtifactStoreError(
                f"{setting}, and {self._server} has no such bucket; accepted: s3://BUCKET/PREFIX with a bucket that "
                "exists"
            )
        if status == 404:
            return _NoObjectError(f"{setting}, and the object does not exist")
        if status in (401, 403):
            return ArtifactStoreError(
                f"{setting}, and {self._server} refuses the key (code {code}: {text}); accepted: {_ACCEPTED_KEY}"
            )
        return ArtifactStoreError(
            f"{setting}, and {self._server} answers {status} {code} ({text}); accepted: s3://BUCKET/PREFIX with a "
            "bucket in the region of AWS_REGION",
            may_pass=status >= 500 or status == 429 or code in _PASSING,
        )


def _client(access: S3Access, *, is_patient: bool) -> Any:
    options: dict[str, Any] = {}
    if access.key_id is not None:
        options = {"aws_access_key_id": access.key_id, "aws_secret_access_key": access.secret}
        options["aws_session_token"] = access.token
    return Session().create_client(
        "s3",
        region_name=access.region,
        endpoint_url=access.endpoint,
        verify=os.environ.get("SSL_CERT_FILE") or os.environ.get("AWS_CA_BUNDLE") or None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENCE_SECONDS if is_patient else SHORT_SILENCE_SECONDS,
            retries={"total_max_attempts": TRIES if is_patient else 1, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            proxies={},
            ignore_configured_endpoint_urls=True,  # an empty AWS_ENDPOINT_URL is none
            # The signature covers the SHA-256 of the body, which the server compares. Newer checksums are left
            # out, because other servers than Amazon's refuse them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"payload_signing_enabled": True, "addressing_style": "path" if access.endpoint else "auto"},
        ),
        **options,
    )


class _NoObjectError(ArtifactStoreError):
    """No object has the name, or, to a request whose answer has no body, the bucket does not exist."""
