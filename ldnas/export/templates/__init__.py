"""The parts of the exported `network.py`: `shared`, and a file with `class Network` for each kind of network.

`ldnas.export.formats.standalone_code` joins `shared` and the file of the network as text.
"""
