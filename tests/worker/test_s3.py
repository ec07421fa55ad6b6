"""Requests to S3: where an object lies, and the signature."""

from datetime import UTC, datetime

import pytest

from ldnas.data.reference import DatasetReference
from ldnas.errors import ForbiddenLocationError
from worker.outbound.references import check_remote
from worker.outbound.s3 import signed_headers
from worker.s3 import S3Access
from worker.settings import Settings

# The example in Amazon's documentation of Signature Version 4 for S3 ("Example: GET Object").
EXAMPLE = S3Access(key_id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.fixture
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *arguments, **options: AT)


def test_the_signature_is_that_of_the_published_example(fixed_time: None) -> None:
    signed = signed_headers(EXAMPLE, "https://examplebucket.s3.amazonaws.com/test.txt", Range="bytes=0-9")
    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_session_token_is_sent_and_signed() -> None:
    access = S3Access(key_id="a", secret="b", token="c")
    signed = signed_headers(access, "https://bucket.s3.us-east-1.amazonaws.com/key")
    assert signed["X-Amz-Security-Token"] == "c"
    assert "x-amz-security-token," in signed["Authorization"]


def test_without_a_key_nothing_is_signed() -> None:
    assert signed_headers(S3Access(), "https://bucket.s3.us-east-1.amazonaws.com/key") == {}


def test_an_object_lies_below_its_buckets_host_or_below_the_endpoint() -> None:
    access = S3Access(region="eu-central-1")
    assert access.url("scans", "a b/ü.zip") == "https://scans.s3.eu-central-1.amazonaws.com/a%20b/%C3%BC.zip"
    other = S3Access(endpoint="https://minio.example.org/")
    assert other.url("scans", "set.zip") == "https://minio.example.org/scans/set.zip"


@pytest.mark.parametrize(("bucket", "key"), [("", "a"), ("a@b", "c"), ("host:80", "c"), ("Bucket", "c"), ("scans", "")])
def test_an_invalid_bucket_or_key_is_refused(bucket: str, key: str) -> None:
    with pytest.raises(ValueError, match="does not name an object"):
        S3Access().url(bucket, key)


def test_the_usual_variables_are_read_and_the_secret_is_not_shown() -> None:
    access = S3Access.from_environment(
        {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "hidden",
            "AWS_SESSION_TOKEN": "hidden too",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": "https://minio.example.org",
        }
    )
    assert (access.region, access.endpoint, access.key_id) == ("eu-west-1", "https://minio.example.org", "id")
    assert "hidden" not in repr(access)


def test_an_artifact_of_the_service_is_refused_as_a_dataset() -> None:
    settings = Settings.from_environment(
        {"LDNAS_ARTIFACT_URL": "s3://scans/ldnas", "LDNAS_REMOTE_HOSTS": "scans.s3.us-east-1.amazonaws.com"}
    )
    check_remote(DatasetReference("s3://scans/ldnas2/set.zip"), settings)
    for uri in ("s3://scans/ldnas/sha256/ab/abc.zip", "s3://scans/ldn%61s/sha256/ab/abc.zip"):
        with pytest.raises(ForbiddenLocationError, match="among the artifacts of the service; an object of another"):
            check_remote(DatasetReference(uri), settings)
