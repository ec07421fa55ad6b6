"""The patterns of parameters that only the API has, and the texts that each pattern of a request accepts, in words."""

from collections.abc import Mapping

from worker.specification.patterns import IN_WORDS as IN_WORDS_OF_REQUESTS

ID_PATTERN = r"^[0-9a-f]{32}$"
VISIBLE_ASCII_PATTERN = r"^[\x21-\x7e]+$"
CLUSTER_PATTERN = r"^[0-9]{1,4}(\.[0-9]{1,4}){0,5}$"
FILTER_PATTERN = r"^[^\x00-\x1f\x7f]*$"

ID_IN_WORDS = "32 hexadecimal digits"

IN_WORDS: Mapping[str, str] = {
    **IN_WORDS_OF_REQUESTS,
    ID_PATTERN: f"{ID_IN_WORDS}, 0 to 9 and a to f",
    VISIBLE_ASCII_PATTERN: "letters A to Z or a to z, digits and the other visible ASCII characters, without blanks",
    CLUSTER_PATTERN: "1 to 6 numbers of at most four digits, joined by full stops",
    FILTER_PATTERN: "text without line breaks and other control characters",
}
