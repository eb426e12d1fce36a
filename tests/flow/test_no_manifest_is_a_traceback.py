"""Whatever is given as a manifest, the command line ends with 0 or 65, in words, without a traceback or much memory."""

import itertools
import os
import random
import resource
import subprocess
from pathlib import Path

import pytest

from tests.crash.launcher import Launcher
from tests.harness import ROOT, command, environment

CASES = ROOT / "tests" / "cases" / "manifests"


def test_no_bytes_give_a_traceback(tmp_path: Path, launcher: Launcher) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    sound = [(ROOT / "manifests" / name).read_bytes()[:4000] for name in ("cutover.csv", "cutover.yaml")]
    sound += [(CASES / name).read_bytes() * 9 for name in ("number-chinese.rows-2.csv", "number.rows-2.yaml")]
    spice = [
        b"\x00",
        b"\xff",
        b'"',
        b"\n",
        b"\r",
        b",",
        b"- {",
        b"&a",
        b"*a",
        b"!!x ",
        b"\xef\xbb\xbf",
        b"{[" * 40,
        b"\t",
        b"%",
        b"?",
    ]
    for _ in range(100):
        data = bytearray(dice.choice(sound))
        for _ in range(dice.randrange(1, 12)):
            place = dice.randrange(len(data))
            data[place : place + dice.choice((0, 0, 1, 50))] = dice.choice((*spice, dice.randbytes(20)))
        name = dice.choice(("night.csv", "night.yaml"))
        (tmp_path / name).write_bytes(data)
        result = launcher.run("check", name, cwd=tmp_path).result
        assert result.code in (0, 65), f"seed {seed}: {result.err}"
        assert "Traceback" not in result.err
        assert result.code == 0 or "nothing was sent" in result.err
        assert all(char.isprintable() or char == "\n" for char in result.err), f"seed {seed}"


ENDLESS = {
    "csv, one line": ("csv", b"id,devicetype,deviceId\n", b"9" * 65536),
    "csv, an open quote": ("csv", b'id,devicetype,deviceId\n"', b"a" * 65536),
    "csv, a header without end": ("csv", b"", b"column," * 9000),
    "csv, no bytes but zeros": ("csv", b"", bytes(65536)),
    "yaml, one scalar": ("yaml", b"- {id: ", b"9" * 65536),
    "yaml, depth": ("yaml", b"", b"[" * 65536),
    "yaml, mappings in mappings": ("yaml", b"", b"{a: " * 16384),
    "yaml, a block text": ("yaml", b"- id: |\n", b"  x\n" * 16384),
    "yaml, a comment": ("yaml", b"", b"# x" * 20000),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ENDLESS)
def test_a_gigabyte_that_is_no_row_is_refused_at_once(tmp_path: Path, case: str) -> None:
    format_, start, again = ENDLESS[case]
    limit = 600 * 2**20  # of address space: a reader that swallows the pipe dies of it
    process = subprocess.Popen(
        command("check", "-", "--format", format_),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert process.stdin
    written = os.write(process.stdin.fileno(), start) if start else 0
    try:
        while written < 2**30:
            written += os.write(process.stdin.fileno(), again)
    except BrokenPipeError:
        pass
    process.stdin.close()
    process.stdin = None
    _, said = process.communicate(timeout=120)
    assert process.returncode == 65, said.decode()[-2000:]
    assert b"Traceback" not in said
    assert written < 64 * 2**20, "it read on and on"


BOMBS = {
    "laughs": "a: &a [x,x]\n" + "".join(f"{n}: &{n} [*{p},*{p},*{p}]\n" for p, n in itertools.pairwise("abcdefghijkl")),
    "itself": "- &a [*a]\n",
    "merged": "- &r {id: 1, devicetype: 1, deviceId: 1}\n- {<<: *r, id: 2}\n",
    "tags": "- !!python/object/apply:os.system ['true']\n",
    "deep": "[" * 5000 + "]" * 5000,
    "deep mapping": "".join(" " * n + "a:\n" for n in range(300)),
    "many documents": "--- []\n" * 1000,
    "keys": "- {" + ", ".join(f"k{n}: 1" for n in range(20_000)) + "}\n",
    "octal": "- {id: 0o17, devicetype: 1, deviceId: 0x10}\n",
    "directive": "%YAML 9.9\n---\n[]\n",
}


@pytest.mark.parametrize("case", BOMBS)
def test_yaml_that_means_harm(tmp_path: Path, launcher: Launcher, case: str) -> None:
    (tmp_path / "night.yaml").write_text(BOMBS[case])
    result = launcher.run("check", "night.yaml", cwd=tmp_path, patience_s=30).result
    assert result.code == 65, result.err
    assert len(result.err) < 50_000


def corpus() -> list[Path]:
    """Return the files of tests/cases/manifests; the name says what becomes of each: NAME.rows-N.csv or NAME.faulty.csv."""
    return sorted(path for path in CASES.iterdir() if path.suffix in (".csv", ".yaml"))


@pytest.mark.parametrize("path", corpus(), ids=lambda path: path.name)
def test_files_as_other_programs_write_them(path: Path, launcher: Launcher, tmp_path: Path) -> None:
    result = launcher.run("check", path, cwd=tmp_path).result
    expected = path.name.rsplit(".", 2)[1]
    if expected == "faulty":
        assert result.code == 65, result.out + result.err
        assert path.name in result.err
    else:
        assert result.code == 0, result.err
        assert f" {expected.removeprefix('rows-')} rows" in result.out


def test_no_name_of_a_folder_is_a_traceback(tmp_path: Path, launcher: Launcher) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    night, ledger, metrics = (str(folder / name) for name in ("night.csv", "night.rehearsal.db", "night.prom"))
    Path(night).write_text("id,devicetype,deviceId\n112,1,101\n113,1,101\n")
    for words in (
        ("check", night),
        ("run", night, "--simulate", "--json", "--metrics-file", metrics, "--log-file", f"{folder}/log", "--yes"),
        ("run", night, "--simulate", "--fresh", "--max-rows", "1"),
        ("status", ledger),
        ("status", ledger, "--json"),
        ("export", ledger),
        ("report", ledger, "-o", str(folder / "night.html")),
    ):
        result = launcher.run(*words, cwd=tmp_path).result
        assert (result.code, "Traceback" in result.err) == (0, False), result.err
    assert "bad\\\\udcff" in Path(metrics).read_text()
