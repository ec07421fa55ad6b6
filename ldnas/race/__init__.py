"""The race: whole networks of several kinds train side by side under one budget in seconds."""
