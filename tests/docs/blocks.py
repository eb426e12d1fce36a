"""The pages, and the blocks in them that are made from the code: between `<!-- made: NAME -->` and `<!-- end -->`."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs import answers, command_line, house, ledger, outputs, python_api, wire

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
MADE = re.compile(r"<!-- made: (?P<name>[\w ]+) -->\n.*?<!-- end -->", re.DOTALL)

MAKERS: Mapping[str, Callable[[], str]] = {
    "commands": command_line.commands,
    "commands in full": command_line.commands_in_full,
    "exit codes": command_line.exit_codes,
    "stop kinds": command_line.stop_kinds,
    "environment": command_line.environment,
    "ctl verbs": command_line.ctl_verbs,
    "rulings": answers.rulings,
    "failure kinds": answers.failure_kinds,
    "answers": answers.answers,
    "export columns": outputs.export_columns,
    "summary": outputs.summary,
    "progress": outputs.progress,
    "plan": outputs.plan,
    "verify": outputs.verify,
    "difference kinds": outputs.difference_kinds,
    "events": outputs.events,
    "metrics": outputs.metrics,
    "statuses": ledger.statuses,
    "moves": ledger.moves,
    "tables": ledger.tables,
    "python": python_api.names,
    "errors": python_api.errors,
    "requests": wire.requests,
    "layers": house.layers,
    "modules": house.modules,
}


def renewed(text: str) -> str:
    """Return a page with every made block made anew."""
    return MADE.sub(lambda found: f"<!-- made: {found['name']} -->\n{MAKERS[found['name']]()}\n<!-- end -->", text)
