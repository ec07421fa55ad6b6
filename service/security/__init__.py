"""Who may use the service: keys, sessions of browsers, scopes, and what every answer tells a browser."""
