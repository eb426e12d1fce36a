"""The programs the bench compares with, and what to say where one is missing."""

import shutil
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Tool(NamedTuple):
    """A program of Debian's packages; `lost` is what cannot be measured without it."""

    package: str
    lost: str


TOOLS: Mapping[str, Tool] = {
    "nginx": Tool("nginx-light", "nothing that sends can be measured"),
    "curl": Tool("curl", "no comparison with curl --parallel or GNU parallel"),
    "parallel": Tool("parallel", "no comparison with GNU parallel"),
    "wrk": Tool("wrk", "no figure for what the machine could do"),
}

ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def path_of(name: str) -> str | None:
    """Return where a program is, also where only administrators look (nginx), or None."""
    return shutil.which(name) or shutil.which(name, path=ADMIN_PATH)


def missing(find: Callable[[str], str | None] = path_of) -> dict[str, str]:
    """Return each missing program with a line that says what is lost and how to install it."""
    return {
        name: f"{name} is missing: {tool.lost}; install it with `apt-get install {tool.package}`"
        for name, tool in TOOLS.items()
        if find(name) is None
    }
