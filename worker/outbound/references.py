"""Resolves references to other hosts and checks them, when a request arrives and again when a job runs."""

from ldnas.data.reference import DatasetReference, check_location
from ldnas.errors import ForbiddenLocationError, InvalidReferenceError
from worker.errors import ForbiddenDestinationError
from worker.outbound.guard import OutboundGuard
from worker.s3 import SCHEME, S3Folder
from worker.settings import Settings

REMOTE_SCHEMES = ("https", "s3")


def remote_url(reference: DatasetReference, settings: Settings) -> str:
    """The URL that an `https://` or `s3://` reference is fetched from.

    Raises:
        InvalidReferenceError: an `s3://` reference does not name an object.
    """
    if reference.scheme == "https":
        return reference.uri
    bucket, _, key = reference.name.partition("/")
    try:
        return settings.s3.url(bucket, key)
    except ValueError as error:
        raise InvalidReferenceError(str(error), field="dataset.uri") from error


def check_remote(reference: DatasetReference, settings: Settings) -> None:
    """Refuse a reference to a host that is not allowed; nothing is resolved or fetched.

    Raises:
        InvalidReferenceError: see `remote_url`.
        ForbiddenLocationError: the host is not one of `LDNAS_REMOTE_HOSTS`, the URL has a user or a password in it, or
            the object is an artifact of the service.
    """
    if reference.scheme not in REMOTE_SCHEMES:
        return
    if reference.scheme == "s3" and settings.artifact_url.startswith(SCHEME):
        bucket, _, key = reference.name.partition("/")
        # The service's key can read it, and it may belong to another client.
        if S3Folder.of(settings.artifact_url).contains(bucket, key):
            raise ForbiddenLocationError(
                "the file may not be reached: it lies among the artifacts of the service; an object of another bucket, "
                "or below another prefix, is accepted",
                field="dataset.uri",
            )
    try:
        OutboundGuard(settings.remote_hosts).check(remote_url(reference, settings))
    except ForbiddenDestinationError as error:
        raise ForbiddenLocationError(
            f"the file may not be reached: {error}; LDNAS_REMOTE_HOSTS of the service lists the allowed hosts",
            field="dataset.uri",
        ) from error


def is_remote(uri: str) -> bool:
    """Whether a URI names a file of another host, by its scheme."""
    return uri.partition("://")[0].lower() in REMOTE_SCHEMES


def remote_weights(uri: str, settings: Settings, *, field: str) -> DatasetReference:
    """The reference of a weights file on another host; the rules are those of datasets. Nothing is resolved or fetched.

    Args:
        field: the field of the request that names the file.

    Raises:
        InvalidReferenceError, ForbiddenLocationError: see `check_location` and `check_remote`.
    """
    try:
        reference = DatasetReference(uri)
        check_location(reference, ())
        check_remote(reference, settings)
    except (InvalidReferenceError, ForbiddenLocationError) as error:
        raise type(error)(error.message, field=field, origin=error.origin) from error
    return reference
