"""The documents of the API as frozen dataclasses, one module for each kind; they need the standard library alone.

Their fields are those of the API's OpenAPI document, which a test compares them with.
"""
