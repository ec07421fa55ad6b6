"""The patterns of texts in requests, and the texts that each accepts, in words for those who are refused."""

from collections.abc import Mapping

from ldnas.networks.design import PRETRAINED_NAME

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 _.|-]*$"
# Locations and columns have no control characters, and PostgreSQL rejects NUL.
PLAIN_TEXT_PATTERN = r"^[^\x00-\x1f\x7f]+$"
PRETRAINED_PATTERN = f"^{PRETRAINED_NAME}$"

NAME_IN_WORDS = "1 to 64 letters A to Z or a to z, digits, blanks and `_ . | -`, beginning with a letter or digit"

IN_WORDS: Mapping[str, str] = {
    NAME_PATTERN: NAME_IN_WORDS,
    PLAIN_TEXT_PATTERN: "text of at least one character, without line breaks and other control characters",
    PRETRAINED_PATTERN: "small letters a to z, digits and `_`: the name of a network in timm, without a tag, or "
    "`torchvision/` and its name in torchvision",
}
