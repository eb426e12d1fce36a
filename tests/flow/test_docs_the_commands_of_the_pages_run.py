"""Every command line of the pages runs as it stands, and prints what the page shows."""

from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT
from tests.docs.walk import steps, walk

pytestmark = pytest.mark.usefixtures("uncounted_commands")

WALKED = [page for page in PAGES if steps(page.read_text("utf-8"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WALKED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of(page: Path, tmp_path: Path) -> None:
    wrong = [
        f"{page.name}:{step.line}: $ {step.command}\n{how}" for step, how in walk(page.read_text("utf-8"), tmp_path)
    ]
    assert not wrong, "\n\n".join(wrong)


def test_tutorial_and_how_tos_are_walked() -> None:
    guides = {page for page in PAGES if page.parent.name in ("tutorial", "howto")}
    assert guides <= set(WALKED)
    assert ROOT / "README.md" in WALKED
