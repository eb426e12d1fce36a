"""Markdown as the pages use it: tables, headings with their anchors, links, fenced blocks."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+)(?P<tag>[\w-]*)\s*$")
LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<to>[^()\s]+)\)")
HEADING = re.compile(r"^(?P<level>#{1,6}) (?P<text>.+)$")


class Block(NamedTuple):
    """A fenced block: where its first content line stands (from 1), its language tag, its lines without indentation."""

    line: int
    tag: str
    lines: list[str]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; a bar in a cell is escaped."""
    lines = [tuple(heads), tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        found = FENCE.match(lines[number])
        number += 1
        if not found:
            continue
        start = number
        while number < len(lines) and lines[number].strip() != found["fence"]:
            number += 1
        yield Block(start + 1, found["tag"], [line.removeprefix(found["indent"]) for line in lines[start:number]])
        number += 1


def prose(text: str) -> str:
    """Return a page without what stands in fenced blocks; lines keep their numbers."""
    lines = text.splitlines()
    for block in blocks(text):
        for number in range(block.line - 1, block.line - 1 + len(block.lines)):
            lines[number] = ""
    return "\n".join(lines)


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and target of each link of a page."""
    plain = re.sub(r"`[^`\n]*`", "", prose(text))
    for found in LINK.finditer(plain):
        yield plain.count("\n", 0, found.start()) + 1, found["to"]


def anchors(text: str) -> set[str]:
    """Return what links to a place within a page may name, as GitHub makes it from the headings."""
    found: set[str] = set()
    for line in prose(text).splitlines():
        if heading := HEADING.match(line):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).strip().lower()
            slug = anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            number = 0
            while anchor in found:
                number += 1
                anchor = f"{slug}-{number}"
            found.add(anchor)
    return found
