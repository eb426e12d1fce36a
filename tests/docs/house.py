"""The house: its layers as import-linter holds them, and each module in its own words."""

import ast
import tomllib
from pathlib import Path

import bulkroute
from tests.docs.markdown import table

PACKAGE = Path(bulkroute.__file__).parent


def layers() -> str:
    """Return the layers, the highest first: what stands below may be imported, what stands above may not."""
    content = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))
    (found,) = [each for each in content["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    lines = [layer.replace(" | ", ", ").replace(" : ", ", ") for layer in found["layers"]]
    return "```text\n" + "\n".join(lines) + "\n```"


def modules() -> str:
    """Return a table for each package: its modules with the first sentence of their docstrings."""
    sections = []
    folders = [PACKAGE, *sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))]
    for folder in folders:
        rows = [
            (f"`{path.stem}`", _first_sentence(path)) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"
        ]
        name = f"{folder.name}/" if folder != PACKAGE else "bulkroute/"
        sections.append(
            f"### {name}\n\n{_first_sentence(folder / '__init__.py')}\n\n{table(('module', 'holds'), rows)}"
        )
    return "\n\n".join(sections)


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.split("    ")[0]
