"""The documents of the API as frozen dataclasses, one module for each kind; they need only the standard library.

A test compares their fields with the OpenAPI document.
"""
