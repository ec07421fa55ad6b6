"""A URI as answers, files, logs and messages show it."""

import pytest

from ldnas.data.reference import DatasetReference, check_location
from ldnas.data.shown_uri import shown_reference, shown_uri
from ldnas.errors import InvalidReferenceError

SIGNED = "https://host.example.org:8443/a/scans.zip?X-Amz-Signature=secret&x=https://b/?c=secret"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (SIGNED, "https://host.example.org:8443/a/scans.zip?…"),
        ("https://host/a?…", "https://host/a?…"),
        ("https://host/a?", "https://host/a?"),
        ("https://me:secret@host/a@b?secret", "https://…@host/a@b?…"),
        ("https://host/a@b", "https://host/a@b"),
        ("s3://bucket/a b.zip", "s3://bucket/a b.zip"),
        ("file:///data/50%3F", "file:///data/50%3F"),
        ("dataset://screws", "dataset://screws"),
        ("", ""),
    ],
)
def test_a_query_a_user_and_a_password_are_hidden_and_nothing_else(uri: str, shown: str) -> None:
    assert shown_uri(uri) == shown


def test_the_other_keys_of_a_reference_are_shown_as_they_are() -> None:
    stored = {"uri": SIGNED, "image_column": "a?b", "value_range": [0, 4095]}
    shown = "https://host.example.org:8443/a/scans.zip?…"
    assert shown_reference(stored) == {"uri": shown, "image_column": "a?b", "value_range": [0, 4095]}
    assert stored["uri"] == SIGNED


@pytest.mark.parametrize(
    "uri",
    [
        "ftp://me:secret@host/file?secret",
        "https://me:secret@host/?secret",
        "https://[1/file?secret",
        "https://host/file?secret#part",
        "s3://bucket/file?secret",
        "file://host/file?secret",
        "dataset://a/b?secret",
    ],
)
def test_a_refusal_does_not_repeat_them(uri: str) -> None:
    with pytest.raises(InvalidReferenceError) as refusal:
        check_location(DatasetReference(uri), ())
    assert "secret" not in str(refusal.value)
    assert "?…" in str(refusal.value)


def test_a_reference_that_was_copied_from_an_answer_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidReferenceError, match=r"write the URL with its query") as refusal:
        DatasetReference(shown_uri(SIGNED))
    assert refusal.value.field == "dataset.uri"
