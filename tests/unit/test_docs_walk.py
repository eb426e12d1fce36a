"""The walk through a page finds what is wrong with it."""

from pathlib import Path

import pytest

from tests.docs.markdown import anchors, links
from tests.docs.walk import plain, steps, walk


def _wrong(tmp_path: Path, *lines: str) -> list[str]:
    page = "\n".join(["```console", *lines, "```"])
    return [f"{step.line}: {how}" for step, how in walk(page, tmp_path)]


def test_what_is_as_shown_is_right(tmp_path: Path) -> None:
    lines = (
        "$ printf 'a\\nb\\nc\\n'",
        "a",
        "...",
        "$ export X=1",
        "$ echo $X of 2",
        "1 of ...",
        "$ false",
        "$ echo $?",
        "1",
    )
    assert _wrong(tmp_path, *lines) == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("$ echo b", "a"), "the page shows:"),
        (("$ printf 'a\\nb\\n'", "a"), "what came:"),
        (("$ echo a", "a", "b"), "the page shows:"),
        (("$ false",), "exit code 1"),
        (("$ exit 3", "$ echo a"), "was not reached"),
    ],
)
def test_what_is_not_as_shown_is_told(tmp_path: Path, lines: tuple[str, ...], says: str) -> None:
    (wrong, *_more) = _wrong(tmp_path, *lines)
    assert says in wrong
    assert wrong.startswith("2: ")


@pytest.mark.slow
def test_a_page_that_hangs_is_ended(tmp_path: Path) -> None:
    page = "```console\n$ echo a\na\n$ sleep 60 & wait\n```"
    ((step, how),) = walk(page, tmp_path, timeout_s=0.5)
    assert (step.line, how.splitlines()[0]) == (4, "was not reached; before it came:")


def test_blocks_of_other_kinds_are_not_run() -> None:
    text = "```text\n$ rm -rf /\n```\n\n```sh\ncd x\nls\n```\n\n```console\n$ cat <<E\n> a\n> E\na\n```\n"
    assert [(step.line, step.command, step.shown) for step in steps(text)] == [
        (6, "cd x\nls", []),
        (11, "cat <<E\na\nE", ["a"]),
    ]


def test_times_ports_and_the_like_are_left_out() -> None:
    one = plain(
        "12:46:37 run 1 (pid 17) took 3.4 s, 28.3/s on average; since 2026-11-28T10:27:54Z, 97 KiB, 12/s of 20/s"
    )
    other = plain(
        "01:02:03 run 1 (pid 4) took 2 min 4 s, 9/s on average; since 2026-01-02T03:04:05Z, 102 KiB, 9/s of 20/s"
    )
    assert one == other
    assert plain("1 row") != plain("2 rows")


def test_links_and_anchors() -> None:
    text = "# A `b` [c](d.md), e!\n## Same\n## Same\n[x](y.md#z) ![p](q.png) `[no](link)`\n```\n[nor](this)\n# nor this\n```\n"
    assert [to for _line, to in links(text)] == ["d.md", "y.md#z", "q.png"]
    assert anchors(text) == {"a-b-c-e", "same", "same-1"}
