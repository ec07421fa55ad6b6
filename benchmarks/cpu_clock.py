"""Makes `time.monotonic` count the CPU seconds of this process, for the modules that are imported after it.

Import it only in a program (`if __name__ == "__main__":`): a test that imported it would wait for CPU seconds too.
Where a benchmark runs one process on one thread, its jobs then take the same seconds on a busy machine as on an idle
one, but for caches and cores that they share.
"""

import time

time.monotonic = time.process_time
