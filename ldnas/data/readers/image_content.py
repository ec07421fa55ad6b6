"""Recognises image files by their first bytes."""

import re

START_BYTES = 512

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".avif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
"""A file with one of these is an image, or a broken image; any other is judged by its content."""

# Files of cameras begin like a TIFF file, whose only plain image is a preview.
_RAW_SUFFIXES = (".nef", ".cr2", ".arw", ".dng", ".pef", ".srw", ".nrw", ".raw", ".rw2", ".orf", ".cr3", ".raf")
_BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)
_MAGIC = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|II\+\0|RIFF.{4}WEBP|.{4}ftypavi[fs]"
    rb"|P[1-6]\s+(?:#[^\n]*\n\s*)*\d",
    re.DOTALL,
)
_UNREAD_MAGIC = re.compile(
    rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1|crx )|\0\0\0\x0c(?:jP  |JXL )|\xff\x0a|8BPS|\x76\x2f\x31\x01|SIMPLE  ="
    rb"|.{128}DICM|\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg|\0\0\x01\0",
    re.DOTALL,
)


def is_image(suffix: str, start: bytes) -> bool:
    """Whether a file is an image of a format that `decode_image` reads, by its first `START_BYTES`."""
    if suffix.lower() in SUFFIXES:
        return True
    return suffix.lower() not in _RAW_SUFFIXES and (_MAGIC.match(start) is not None or _is_bmp(start))


def is_unread_format(suffix: str, start: bytes) -> bool:
    """Whether a file is an image of another format: HEIC, JPEG 2000, JPEG XL, SVG, DICOM, a camera's raw file, …"""
    return suffix.lower() in _RAW_SUFFIXES or _UNREAD_MAGIC.match(start) is not None


def _is_bmp(start: bytes) -> bool:
    """Two letters alone could begin a text."""
    return start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in _BMP_HEADER_BYTES
