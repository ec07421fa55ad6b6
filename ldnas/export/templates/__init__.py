"""The parts of the exported `network.py`: `shared`, and one file with `class Network` for each kind of design.

`ldnas.export.formats.standalone_code` joins `shared` and the file of the kind as text.
"""
