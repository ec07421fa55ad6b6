"""Writes the reference pages from the code: `make reference`."""

from docs.reference.generated import FOLDER, pages

for name, text in pages().items():
    (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{name}: {text.count(chr(10)):,} lines")
