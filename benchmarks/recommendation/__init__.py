"""The recommendation against every way that a user could take in its place, in equal seconds."""
