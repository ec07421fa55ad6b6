"""One reader for each dataset layout; each yields one `Record` per image."""
