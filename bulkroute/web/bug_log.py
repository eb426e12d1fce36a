"""What the server's machinery logs, kept to what a person should see: bugs, and of these the first few.

What visitors do wrong (requests that are no HTTP, connections that they cut) is no news: nobody without the token can
fill a disk with lines.
"""

import contextlib
import logging
from collections.abc import Iterator

from aiohttp.http_exceptions import HttpProcessingError

MOST_TOLD = 10
OF_VISITORS = (HttpProcessingError, ConnectionError, UnicodeError)
"""The last: aiohttp repeats what it is sent in some refusals, and cannot write all of it."""


class _OnlyBugs(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._told = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], OF_VISITORS):
            return False
        self._told += 1
        return self._told <= MOST_TOLD


@contextlib.contextmanager
def only_bugs(*names: str) -> Iterator[None]:
    """Have the loggers of these names tell bugs alone for the block, and no more than MOST_TOLD together."""
    filter_ = _OnlyBugs()
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(filter_)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(filter_)
