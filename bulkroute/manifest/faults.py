"""What is wrong with a manifest, in words for the person who has to fix it.

Keeps the first faults and counts the rest, so a file of a million bad rows costs no more memory than one of fifty.
Nothing from the file reaches a terminal unescaped: whatever is quoted goes through `quote` or `escaped`.
"""

from operator import itemgetter

from bulkroute.errors import ManifestError

FAULTS_KEPT = 50
QUOTED_CHARS = 40


def quote(text: str) -> str:
    """Return `text` in quotes, escaped and cut to about 40 characters, fit for a message."""
    return repr(text if len(text) <= QUOTED_CHARS else f"{text[: QUOTED_CHARS - 3]}...")


class Faults:
    """The faults of one manifest.

    `kept` holds the first 50, each as `file:line: what is wrong, what to do`; `total` counts all of them. `warnings`
    ask for a look but stop nothing; `notices` only inform. Without a `name` the rows were given by a program, and
    places read `row 3` instead.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.total = 0
        self.warnings: list[str] = []
        self.notices: list[str] = []
        self._parts: list[list[tuple[int, str]]] = [[]]

    @property
    def kept(self) -> list[str]:
        """The first faults, at most 50, by line. Each part of the check has its share: none pushes another out."""
        parts = [part for part in self._parts if part]
        counts = [min(len(part), FAULTS_KEPT // len(parts)) for part in parts]
        for place, part in enumerate(parts):  # what one part does not need is the next one's
            counts[place] = min(len(part), counts[place] + FAULTS_KEPT - sum(counts))
        chosen = [fault for part, count in zip(parts, counts, strict=True) for fault in part[:count]]
        return [f"{self.place(line)}: {text}" for line, text in sorted(chosen, key=itemgetter(0))]

    @property
    def keeps_more(self) -> bool:
        """Whether the next fault of this part of the check is kept; else it is only counted."""
        return len(self._parts[-1]) < FAULTS_KEPT

    def place(self, line: int) -> str:
        """Return where `line` is, as people write it; line 0 stands for the whole file."""
        if self.name:
            return f"{self.name}:{line}" if line else self.name
        return f"row {line}" if line else "rows"

    def add(self, line: int, text: str) -> None:
        """Record a fault. `line` counts from 1, or is 0 for the whole file."""
        self.total += 1
        if self.keeps_more:
            self._parts[-1].append((line, text))

    def next_part(self) -> None:
        """Begin another part of the check: what stops the reading, say, or what only the whole file shows."""
        self._parts.append([])

    def warn(self, text: str, line: int = 0) -> None:
        """Record something that stops nothing but deserves a look."""
        self.warnings.append(f"{self.place(line)}: {text}")

    def notice(self, text: str) -> None:
        """Record something worth knowing about the whole file."""
        self.notices.append(f"{self.place(0)}: {text}")

    def error(self) -> ManifestError:
        """Return the error that ends a command because of these faults."""
        return ManifestError(self.name or "rows", self.kept, self.total)
