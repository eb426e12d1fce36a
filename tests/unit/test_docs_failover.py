"""What the page on failover gives to copy can be copied: units and YAML parse, and all lists of exit codes agree."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bulkroute.errors import ExitCode
from tests.docs import command_line
from tests.docs.blocks import ROOT
from tests.docs.markdown import blocks

PAGES = [ROOT / "docs" / "howto" / name for name in ("failover.md", "cron-and-systemd.md")]
FAILOVER = PAGES[0].read_text("utf-8")
ALL_CODES = {int(code) for code in ExitCode}


def taken(tag: str, page: str = FAILOVER) -> list[str]:
    """Return the blocks of a kind."""
    return ["\n".join(block.lines) + "\n" for block in blocks(page) if block.tag == tag]


def told(scheduler: str) -> Mapping[str, set[int]]:
    """Return which exit codes are to be retried, ignored and told as failures, by the page's table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in FAILOVER.splitlines() if line[:1] == "|"]
    (head,) = [row for row in rows if row[0] == "exit code"]
    codes: dict[str, set[int]] = {"retry": set(), "ignore": set(), "fail": set()}
    for row in rows:
        if row[0].isdecimal():
            codes[row[head.index(scheduler)]].add(int(row[0]))
    return codes


def units(page: Path) -> Mapping[str, str]:
    """Return the units of a page by name: a comment with the path is the first line of each."""
    found = re.split(r"^# /etc/systemd/system/(\S+)\n", "".join(taken("ini", page.read_text("utf-8"))), flags=re.M)
    return dict(zip(found[1::2], found[2::2], strict=True))


def numbers(unit: str, key: str) -> set[int]:
    (value,) = re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)
    return set(map(int, value.split()))


def job() -> dict[str, Any]:
    (text,) = taken("yaml")
    (found,) = [each for each in yaml.safe_load_all(text) if each["kind"] == "Job"]
    return dict(found)


@pytest.mark.parametrize("scheduler", ["systemd", "Kubernetes", "script", "Airflow"])
def test_every_exit_code_has_its_line(scheduler: str) -> None:
    codes = told(scheduler)
    assert set.union(*codes.values()) == ALL_CODES
    assert sum(map(len, codes.values())) == len(ALL_CODES)


def test_what_ends_well_for_good_or_for_now_is_no_failure_of_the_unit() -> None:
    unit = units(PAGES[0])["bulkroute.service"]
    assert "Restart=on-failure" in unit
    assert numbers(unit, "SuccessExitStatus") == told("systemd")["ignore"] - {0}
    assert numbers(unit, "RestartPreventExitStatus") == told("systemd")["fail"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed (Debian: systemd)")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_systemd_has_nothing_to_say_about_the_units(page: Path, tmp_path: Path) -> None:
    known = units(page)
    for name, text in known.items():
        runnable = text.replace("/usr/local/bin/bulkroute", sys.executable)
        (tmp_path / name).write_text(runnable)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # It looks at the machine's own units, too, which are none of ours.
    assert [line for line in done.stderr.splitlines() if any(name in line for name in known)] == []


@pytest.mark.parametrize(("hour", "starts"), [("00", 1), ("01", 0), ("03", 0), ("04", 1), ("12", 1)])
def test_the_unit_starts_within_its_window_alone(hour: str, starts: int, tmp_path: Path) -> None:
    """As systemd does before it runs a line: `$$` is `$`, `%%` is `%`."""
    (line,) = re.findall(r"^ExecCondition=/bin/sh -c '(.*)'$", units(PAGES[0])["bulkroute.service"], re.MULTILINE)
    date = tmp_path / "date"
    date.write_text(f'#!/bin/sh\n[ "$1" = +%H ] && echo {hour}\n')
    date.chmod(0o755)
    script = line.replace("$$", "$").replace("%%", "%")
    done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert done.returncode == starts


def test_the_job_fails_where_a_person_has_to_look_and_no_earlier() -> None:
    policy = job()["spec"]["podFailurePolicy"]["rules"]
    assert policy[0]["action"] == "FailJob"
    assert set(policy[0]["onExitCodes"]["values"]) == told("Kubernetes")["fail"]
    assert job()["spec"]["podReplacementPolicy"] == "Failed"
    assert job()["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_job_keeps_its_ledger_on_the_volume_of_one_pod() -> None:
    (text,) = taken("yaml")
    (claim,) = [each for each in yaml.safe_load_all(text) if each["kind"] == "PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    pod = job()["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts = {each["mountPath"]: volumes[each["name"]] for each in pod["containers"][0]["volumeMounts"]}
    command = pod["containers"][0]["command"]
    ledger = Path(command[command.index("--ledger") + 1])
    assert mounts[str(ledger.parent)]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    known = {name for flag in command_line.flags(command[1]) for name in re.findall(r"--[\w-]+", flag.names)}
    assert {word for word in command if word.startswith("--")} <= known


def test_the_shell_scripts_are_sound() -> None:
    for text in taken("bash"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_script_goes_on_where_it_should(tmp_path: Path) -> None:
    """`bulkroute` is one that ends with each of the codes in turn; the script ends with the first that is no retry."""
    (script,) = [text for text in taken("bash") if text.startswith("# keep-going.sh")]
    retried = re.search(r"^ +([\d |]+)\) sleep", script, re.MULTILINE)
    assert retried
    killed = 128 + 9
    assert set(map(int, retried[1].split("|"))) == {*told("script")["retry"], killed}
    (tmp_path / "codes").write_text("69\n137\n69\n4\n0\n")
    for name, text in {
        "bulkroute": 'read -r code <codes; sed -i 1d codes; echo "$@" >>given; exit "$code"',
        "sleep": "exit 0",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", script, "keep-going.sh", "night.csv", "--quiet"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        timeout=30,
        check=False,
    )
    assert done.returncode == 4
    assert (tmp_path / "given").read_text() == "run night.csv --quiet\n" * 4


def test_airflow_skips_what_is_no_failure() -> None:
    (task,) = [text for text in taken("text") if text.startswith("BashOperator")]
    skipped = re.search(r"skip_on_exit_code=\[([\d, ]+)\]", task)
    assert skipped
    assert set(map(int, skipped[1].split(","))) == told("Airflow")["ignore"] - {0}
