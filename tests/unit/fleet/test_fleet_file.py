"""The fleet file: every fault with its line, and whatever is written stays the text that it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.fleet.fleet_file import FleetFile, Given, read_fleet
from bulkroute.manifest import Faults

WHOLE = """\
defaults: {rate: 20, until: 04:00}
limits: {partner-a: 50}
tenants:
  acme:
    base-url: https://cc1.example.com
    rate: 5
    header: ["X-A: 1", "X-B: 2"]
  globex: {snapshot: false}
"""


def _read(tmp_path: Path, text: str | bytes) -> tuple[FleetFile, list[str]]:
    file = tmp_path / "fleet.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    faults = Faults("f")
    return read_fleet(file, faults), faults.kept


def test_a_tenant_has_its_own_over_the_defaults_and_texts_stay_texts(tmp_path: Path) -> None:
    found, faults = _read(tmp_path, WHOLE)
    assert faults == []
    assert found.limits == {"partner-a": Given("50", 2)}
    acme, globex = found.tenants
    assert (acme.name, acme.line, globex.name, globex.line) == ("acme", 4, "globex", 8)
    assert acme.given == {
        "rate": Given("5", 6),
        "until": Given("04:00", 1),
        "base-url": Given("https://cc1.example.com", 5),
        "header": Given(["X-A: 1", "X-B: 2"], 7),
    }
    assert globex.given == {"rate": Given("20", 1), "until": Given("04:00", 1), "snapshot": Given("false", 8)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tenants: {a: {rate: 1}, a: {rate: 2}}", "f:1: tenants: 'a' stands there twice, first on line 1"),
        ("tenants: {a: {rate: 1,\n rate: 2}}", "f:2: tenant a: 'rate' stands there twice, first on line 1"),
        ("limit: {}\ntenants: {a: {}}", "f:1: unknown key 'limit'; there are defaults, limits, tenants"),
        ("tenants: [a, b]", "f:1: tenants must be `name: value` pairs"),
        ("tenants: {a: {rate: }}", "f:1: tenant a: 'rate' must be a plain value, or a list of them"),
        ("tenants: {a: {rate: {b: 1}}}", "f:1: tenant a: 'rate' must be a plain value, or a list of them"),
        ("tenants: {a: {header: [[x]]}}", "f:1: tenant a: 'header' must be a plain value, or a list of them"),
        ("tenants:\n  ../a: {}", "f:2: tenant '../a': files are named after it, so it has no `/` and begins with no"),
        ("tenants:\n  -a: {}", "f:2: tenant '-a': files are named after it"),
        ('tenants:\n  "a\\nb": {}', "f:2: tenant 'a\\nb': a name is one printable line"),
        ("tenants:\n  ? [a]\n  : {}", "f:2: tenants: a name must be a plain text"),
        ("x: &a {rate: 1}\ntenants:\n  b: {<<: *a}", "f:1: unknown key 'x'"),
        ("tenants:\n  a: &a {rate: 1}\n  b: {<<: *a}", "f:3: tenant b: pairs are not merged by `<<`"),
        ("tenants:\n  a: &a {rate: 1}\n  b: &a {}", "f:3: is not YAML: found duplicate anchor"),
        ("tenants: {a", "f:2: is not YAML"),
        ("a: 1\n\tb: 2", "f:2: is not YAML"),
        ("", "f: names no tenant"),
        ("tenants:", "f: names no tenant"),
        (b"\xff\xfe", "f: is not UTF-8"),
        (b"a: \x00", "f: is not YAML"),
        ("[" * 300_000, "f:1: is nested too deeply"),
        ("# " * 2_100_000, "f: is longer than 4,000,000 bytes"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str | bytes, fault: str) -> None:
    _found, faults = _read(tmp_path, text)
    assert faults[0].startswith(fault)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    _found, faults = _read(tmp_path, "x: 1\ntenants:\n  a: 1\n  .b: {}\n")
    assert [fault.split(" ")[0] for fault in faults] == ["f:1:", "f:3:", "f:4:"]


def test_no_name_reaches_a_terminal_as_it_is(tmp_path: Path) -> None:
    _found, faults = _read(tmp_path, 'tenants: {"a\\e[2J": 7}')
    assert faults == [
        "f:1: tenant 'a\\x1b[2J': a name is one printable line of at most 100 characters",
        "f:1: tenant 'a\\x1b[2J' must be `name: value` pairs",
    ]


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    faults = Faults("f")
    read_fleet(tmp_path, faults)
    read_fleet(tmp_path / "none", faults)
    assert faults.kept == ["f: cannot be read: Is a directory", "f: cannot be read: No such file or directory"]


@given(st.binary(max_size=200) | st.text(alphabet="{}[]:,-&*!|>'\"# \n\ttenansx1", max_size=200).map(str.encode))
def test_any_bytes_are_tenants_or_faults(content: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        faults = Faults("f")
        assert read_fleet(Path(file.name), faults).tenants or faults.total
