"""Authentication and authorisation: keys, sessions of browsers, scopes, and security headers."""
