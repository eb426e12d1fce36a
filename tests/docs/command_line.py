"""Commands, flags, exit codes, environment variables and the verbs of `ctl`, as the command line itself has them."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

import bulkroute
from bulkroute.cli import COMMANDS, FLEET, cli
from bulkroute.errors import EXIT_MEANINGS, StopKind
from bulkroute.run.verbs import VERBS
from tests.docs.markdown import table

DEFAULT = re.compile(r"\s*\[(?:default: (?P<default>[^\];]+))?(?:; )?(?P<rest>[^\]]*)\]$")


class Flag(NamedTuple):
    """A flag as the help shows it."""

    names: str
    meaning: str
    default: str


ENVIRONMENT = {
    "BULKROUTE_TOKEN": "A ready access token. Or:",
    "BULKROUTE_TOKEN_FILE": "A file that holds it. Or:",
    "BULKROUTE_APP_KEY": "The app key; a token is then fetched with tokenByAkSk and renewed in time. With it:",
    "BULKROUTE_APP_SECRET": "The app key's secret. Or:",
    "BULKROUTE_APP_SECRET_FILE": "A file that holds the secret.",
    "BULKROUTE_SIMULATOR_APP_KEY": "The app key that `simulate` lets in, `demo-key` if it is not set.",
    "BULKROUTE_SIMULATOR_APP_SECRET": "Its secret, `demo-secret` if it is not set.",
    "BULKROUTE_SIMULATOR_TOKEN": "The ready token that `simulate` lets in, `demo-token` if it is not set.",
    "BULKROUTE_HOOK": "Marks the processes of a hook or gate, so that none of them is left.",
    "BULKROUTE_EVENT": "Set for hooks alone: what they are told of, `before_run` or an event.",
    "BULKROUTE_WAVE": "Told to gates: the number of the wave that has just ended; elsewhere the variable of `--wave`.",
    "BULKROUTE_WAVES": "Told to gates: how many waves there are; elsewhere the variable of `--waves`.",
    "BULKROUTE_LEDGER": "Told to gates: the ledger's path; elsewhere the variable of `--ledger`.",
    "BULKROUTE_DONE": "Told to gates: rows of the batch that are done.",
    "BULKROUTE_FAILED": "Told to gates: rows of the batch that failed or were refused.",
    "BULKROUTE_TEST_CALLS": "Told to gates: a CSV file of numbers to dial; it is removed afterwards.",
    "BULKROUTE_REASON": "Set for hooks alone: why, in words; empty if there is no reason to tell.",
}
"""Variables that are no flag's, each with its line."""

OF_OTHERS = {
    "HTTPS_PROXY": "The proxy for `https://` addresses; `HTTP_PROXY` for `http://`.",
    "NO_PROXY": "Hosts that are reached without a proxy.",
    "SSL_CERT_FILE": "Certificates of authorities to trust, instead of the system's file; the system's folder stays trusted unless `SSL_CERT_DIR` names another one.",
    "TMPDIR": "Where the temporary databases lie while a manifest or live bindings are read.",
    "XDG_RUNTIME_DIR": "Where the control socket lies if the ledger's own path is too long for one.",
    "TERM": "`dumb` or empty: progress comes as plain lines.",
}


LINES = {name: line for name, line in COMMANDS.items() if name != "fleet"} | {
    f"fleet {verb}": line for verb, line in FLEET.items()
}
"""Each command with its line in the help."""


def named_in_code() -> set[str]:
    """Return every BULKROUTE_* variable that the code names as a whole text."""
    files = Path(inspect.getfile(bulkroute)).parent.rglob("*.py")
    return {name for file in files for name in re.findall(r'"(BULKROUTE_[A-Z_]*[A-Z])"', file.read_text("utf-8"))}


def all_commands() -> dict[str, click.Command]:
    """Return all commands by their names; those of `fleet` by both words."""
    return cli.all_commands()


def flags(name: str) -> list[Flag]:
    """Return the flags of a command in its own order, `--help` left out."""
    command = all_commands()[name]
    context = click.Context(command, **command.context_settings)
    found = []
    for option in command.params:
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if record is not None:
            found.append(_flag(*record))
    return found


def _flag(names: str, text: str) -> Flag:
    """Take the default, and the range that Click adds to it, out of the help's text."""
    default, notes = "", []
    while bracket := DEFAULT.search(text):
        text = text[: bracket.start()]
        default = bracket["default"] or default
        if bracket["rest"]:
            notes.append(_range_in_words(bracket["rest"]))
    meaning = " ".join(part for part in (text.strip(), *notes) if part)
    return Flag(f"`{names}`", meaning, default if " " in default else f"`{default}`" * bool(default))


def _range_in_words(note: str) -> str:
    """Return Click's `0<=x<=1` or `x>=1` in words; any other note as a sentence."""
    if between := re.fullmatch(r"([\d.]+)<=x<=([\d.]+)", note):
        return f"{between[1]} to {between[2]}."
    if least := re.fullmatch(r"x>(=?)([\d.]+)", note):
        return f"{'At least' if least[1] else 'Above'} {least[2]}."
    return note.capitalize() + "."


def commands() -> str:
    """Return each command with its arguments and its line."""
    return table(("command", "does"), [(f"`{_with_arguments(name)}`", line) for name, line in COMMANDS.items()])


def _with_arguments(name: str) -> str:
    if name == "fleet":
        return "fleet VERB FLEET"
    arguments = []
    for argument in all_commands()[name].params:
        if isinstance(argument, click.Argument):
            word = str(argument.metavar or argument.name).upper()
            arguments.append(f"[{word}]" if not argument.required else word)
    return " ".join([name, *arguments])


def commands_in_full() -> str:
    """Return a section for each command: its help, and the flags that it does not share with `run`."""
    return "\n\n".join("\n".join(_section(name)) for name in LINES)


def _section(name: str) -> Iterator[str]:
    command = all_commands()[name]
    yield from (f"## {name}", "", f"`bulkroute {_with_arguments(name)} [FLAGS]`", "")
    yield from _help_of(command)
    found = flags(name)
    first = "fleet run" if name.startswith("fleet ") else "run"
    shared = [] if name == first else [flag for flag in found if flag in flags(first)]
    if own := [flag for flag in found if flag not in shared]:
        yield table(("flag", "meaning", "default"), own)
    if own and shared:
        yield ""
    if shared:
        names = ", ".join(flag.names.split(" ")[0].strip("`").join("``") for flag in shared)
        yield f"As in [`{first}`](#{first.replace(' ', '-')}): {names}."


def _help_of(command: click.Command) -> Iterator[str]:
    """Yield the paragraphs of a help; what it keeps as it is (`\\b`) in a fenced block."""
    for paragraph in (command.help or "").split("\n\n"):
        kept = textwrap.dedent(paragraph.strip().removeprefix("\b\n")).strip()
        if example := re.fullmatch(r"Example:\s+(.*)", kept, re.DOTALL):
            yield from ("```text", example[1], "```", "")
        elif "\b" in paragraph:
            yield from ("```text", kept, "```", "")
        else:
            yield from (" ".join(paragraph.split()), "")


def exit_codes() -> str:
    return table(("code", "means"), [(str(int(code)), meaning) for code, meaning in EXIT_MEANINGS.items()])


def stop_kinds() -> str:
    """Return why a command may end before its rows do, with the exit code of each."""
    return table(
        ("stop", "exit code", "means"), [(f"`{kind}`", str(int(kind.exit_code)), kind.meaning) for kind in StopKind]
    )


def environment() -> str:
    """Return the variables that are no flag's."""
    return table(("variable", "holds"), [(f"`{name}`", line) for name, line in {**ENVIRONMENT, **OF_OTHERS}.items()])


def ctl_verbs() -> str:
    """Return what a run can be asked to do."""
    rows = [(f"`{' '.join(filter(None, (name, verb.value)))}`", verb.does) for name, verb in VERBS.items()]
    return table(("verb", "does"), rows)
