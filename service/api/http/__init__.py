"""HTTP: size limits, conditional requests, pages, and errors as problem documents."""
