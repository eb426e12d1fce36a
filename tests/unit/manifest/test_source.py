"""Opening a manifest: paths, standard input, formats, digests; and that its size does not show in memory."""

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bulkroute.errors import ManifestError, UsageError
from bulkroute.manifest import Faults, Kind, Manifest, open_manifest
from bulkroute.manifest.source import is_plan
from bulkroute.model import Row
from tests.harness import environment, for_anybody, rights_of
from tests.unit.manifest.test_plan_reader import PLAN

TEXT = b"id,devicetype,deviceId\n0123,1,101\n"
YAML = b"- {id: 0123, devicetype: 1, deviceId: 101}\n"
SHA256 = hashlib.sha256(TEXT).hexdigest()
SAMPLES = Path(__file__).parents[3] / "manifests"


def read(manifest: Manifest) -> tuple[list[Row], Faults]:
    faults = Faults()
    return list(manifest.rows(faults)), faults


def refusal(source: str | Path, format_: str | None = None) -> str:
    with pytest.raises(ManifestError) as caught, open_manifest(source, format_):
        pytest.fail("it opened")
    assert caught.value.total == 1
    assert caught.value.exit_code == 65
    (text,) = caught.value.faults
    assert text.startswith(f"{caught.value.where}: ")
    return text


def as_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("name", "given", "data", "format_"),
    [
        ("a.csv", None, TEXT, "csv"),
        ("a.CSV", None, TEXT, "csv"),
        ("a.yaml", None, YAML, "yaml"),
        ("a.b.yml", None, YAML, "yaml"),
        ("a.yml", "yaml", YAML, "yaml"),
        ("a.txt", "csv", TEXT, "csv"),
        ("a", "yaml", YAML, "yaml"),
    ],
)
def test_formats(tmp_path: Path, name: str, given: str | None, data: bytes, format_: str) -> None:
    (tmp_path / name).write_bytes(data)
    for source in (tmp_path / name, str(tmp_path / name)):
        with open_manifest(source, given) as manifest:
            assert manifest.name == str(source)
            assert manifest.format == format_
            assert manifest.digest == f"{format_}:2:{hashlib.sha256(data).hexdigest()}"
            assert [row[1:] for row in read(manifest)[0]] == [("0123", 1, 101)]


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("a.txt", None, "does not end in .csv, .yaml, .yml or .plan; say --format csv"),
        ("a", None, "does not end in"),
        ("a.csv", "json", "format 'json' is unknown"),
        ("a.csv", "yaml", "the name says csv, the format given is yaml"),
    ],
)
def test_unknown_formats(
    name: str, given: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(TEXT)
    assert says in refusal(name, given)


@pytest.mark.parametrize("suffix", [".xlsx", ".XLS", ".xlsm", ".xlsb", ".ods", ".numbers"])
@pytest.mark.parametrize("given", [None, "csv"])
def test_a_workbook_is_to_be_saved_as_csv_whatever_it_holds(tmp_path: Path, suffix: str, given: str | None) -> None:
    path = tmp_path / f"sheet{suffix}"
    assert "does not exist" in refusal(path, given)
    path.write_bytes(b"PK\x03\x04")
    assert refusal(path, given).endswith(
        "is a workbook, not text; save the sheet as CSV (in Excel: File, Save As, 'CSV UTF-8 (Comma delimited)')"
    )


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    assert "does not exist; check the path" in refusal(tmp_path / "missing.csv")
    assert "does not exist" in refusal(tmp_path / "missing")
    assert "is a folder" in refusal(".")
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.csv")
    assert "cannot be opened" in refusal(tmp_path / ("x" * 300 + ".csv"))
    assert "is no path" in refusal("a\0b.csv")
    assert "is no path" in refusal("a\ud800.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert "cannot be opened" in refusal(tmp_path / "loop.csv")


def test_a_file_that_may_not_be_read() -> None:
    with for_anybody() as (folder, user):
        path = folder / "a.csv"
        path.write_bytes(TEXT)
        path.chmod(0o444)
        with rights_of(user), open_manifest(path) as manifest:
            assert read(manifest)[0]
        path.chmod(0)
        with rights_of(user):
            assert "cannot be opened (Permission denied)" in refusal(path)


def test_a_name_is_harmless_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\n.csv"
    path.write_bytes(b"x\n")
    with open_manifest(path) as manifest:
        _, faults = read(manifest)
    assert manifest.name.isprintable()
    assert all(text.isprintable() for text in faults.kept)
    assert refusal(tmp_path / "\x1b.csv").isprintable()


def test_the_kind_is_known_before_the_rows_are(tmp_path: Path) -> None:
    for name, data, kind in (
        ("a.csv", TEXT, Kind.BY_ID),
        ("b.csv", b"number,target\n1,x\n", Kind.BY_NUMBER),
        ("c.csv", b"note\n1\n", None),
        ("a.yaml", YAML, Kind.BY_ID),
        ("b.yaml", b"- {number: 1, target: x}\n", Kind.BY_NUMBER),
        ("c.yaml", b"[]", None),
    ):
        (tmp_path / name).write_bytes(data)
        with open_manifest(tmp_path / name) as manifest:
            assert manifest.kind is None
            assert manifest.read(Faults()).kind is kind
            assert manifest.kind is kind
            assert manifest.read(Faults()).kind is kind


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT)
    with open_manifest(tmp_path / "a.csv") as manifest:
        assert manifest.rereadable
        assert read(manifest)[0] == read(manifest)[0] == [Row(2, "0123", 1, 101)]


def test_asking_for_the_digest_does_not_disturb_the_reading(tmp_path: Path) -> None:
    data = TEXT + b"".join(b"%d,3,7\n" % n for n in range(1, 100_000))
    (tmp_path / "a.csv").write_bytes(data)
    with open_manifest(tmp_path / "a.csv") as manifest:
        rows = manifest.rows(faults := Faults())
        next(rows)
        assert manifest.digest == f"csv:2:{hashlib.sha256(data).hexdigest()}"
        assert sum(1 for _ in rows) == 99_999
    assert not faults.total


def test_the_digest_is_that_of_the_rows_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT)
    with open_manifest(tmp_path / "a.csv") as manifest:
        read(manifest)
        (tmp_path / "a.csv").write_bytes(TEXT + b"7,1,7\n")
        assert manifest.digest == f"csv:2:{SHA256}"


def test_places_have_the_files_name_unless_the_faults_have_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT + b"x y,1,1\n")
    with open_manifest(tmp_path / "a.csv") as manifest:
        assert read(manifest)[1].kept[0].startswith(f"{tmp_path}/a.csv:3: id 'x y'")
        faults = Faults("short.csv")
        list(manifest.rows(faults))
        assert faults.kept[0].startswith("short.csv:3: ")


def test_standard_input_without_a_format_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="say --format csv, yaml or plan"), open_manifest("-"):
        pass


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    as_stdin(monkeypatch, TEXT + b"1,2,3\n")
    with open_manifest("-", "csv") as manifest:
        assert not manifest.rereadable
        with pytest.raises(RuntimeError, match="only once all of its rows are read"):
            _ = manifest.digest
        rows, faults = read(manifest)
        assert rows == [Row(2, "0123", 1, 101)]
        assert faults.kept[0].startswith("<stdin>:3: devicetype '2'")
        assert manifest.digest == f"csv:2:{hashlib.sha256(TEXT + b'1,2,3' + bytes([10])).hexdigest()}"
    assert not sys.stdin.buffer.closed


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    as_stdin(monkeypatch, TEXT)
    with open_manifest("-", "yaml") as manifest:
        sys.stdin.close()
        assert "<stdin>:1: cannot be read" in read(manifest)[1].kept[0]
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refusal("-", "csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with (
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import time; f = open({str(pipe)!r}, 'wb', 0)\n"
                f"for byte in {TEXT!r}: f.write(bytes([byte])); time.sleep(0.001)",
            ]
        ),
        open_manifest(pipe) as manifest,
    ):
        assert not manifest.rereadable
        assert read(manifest)[0] == [Row(2, "0123", 1, 101)]
        assert manifest.digest == f"csv:2:{SHA256}"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_device_without_end() -> None:
    with open_manifest("/dev/zero", "csv") as manifest:
        assert "the file is binary" in read(manifest)[1].kept[0]


def test_the_samples_say_the_same() -> None:
    read_rows = []
    for name in ("cutover.csv", "cutover.yaml"):
        with open_manifest(SAMPLES / name) as manifest:
            rows, faults = read(manifest)
        assert not faults.total
        assert not faults.warnings
        assert "'accessCode', 'extCode', 'target', 'note'" in faults.notices[0]
        read_rows.append([row[1:] for row in rows])
    assert read_rows[0] == read_rows[1]
    assert len({row[0] for row in read_rows[0]}) == 250
    assert len({row[1:] for row in read_rows[0]}) == 12
    assert all(int(id_) > 2**53 for id_, *_ in read_rows[0])


def test_the_faulty_sample_has_a_fault_on_nearly_every_line() -> None:
    with open_manifest(SAMPLES / "faulty.csv") as manifest:
        rows, faults = read(manifest)
    assert sorted(int(text.split(":")[1]) for text in faults.kept) == [*range(3, 13), 14]
    assert [row.line for row in rows] == [2, 5, 6, 13]  # that 5 and 6 are rounded shows at the end


MEASURE = """
import sys
from pathlib import Path
from bulkroute.manifest import Faults, Kind, open_manifest
faults = Faults()
with open_manifest(sys.argv[1]) as manifest:
    reading = manifest.read(faults)
    by_number = reading.kind is Kind.BY_NUMBER
    rows = reading.numbered_rows() if by_number else reading.labelled_rows() if reading.labels else reading.rows()
    count = sum(1 for _ in rows) + faults.total
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(count, status["VmHWM"].split()[0])
"""
ROWS = {
    "good.csv": "{id},3,{n},a note\n",
    "bad.csv": "{id} x,9,{n}.0,a note\n",
    "rounded.csv": "{n}00000000000000000,1,{n},a note\n",
    "good.yaml": "- id: {id}\n  devicetype: 1\n  deviceId: {n}\n  key{n}: x\n",
    "floats.csv": "{id}000,1,{n},a note\n",
    "labelled.csv": "{id},3,{n},9{n},{n},Night {n},\n",
    "numbers.csv": "9{n},{n},Night {n},{n}\n",
    "numbers.yaml": "- {{accessCode: 9{n}, ext: {n}, target: 'ivr:Night {n}', key{n}: x}}\n",
    "flow.yaml": "- {{id: {id}, devicetype: 1, deviceId: {n}, note: [&a x]}}\n",
}
HEADS = {
    "labelled.csv": "id,devicetype,deviceId,accessCode,extCode,target,wave\n",
    "numbers.csv": "accessCode,extCode,target,wave\n",
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", ROWS)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    peaks_kib = []
    for count in (10_000, 100_000):
        path = tmp_path / f"{count}-{name}"
        with path.open("w") as file:
            file.write(HEADS.get(name, "id,devicetype,deviceId,note\n") if name.endswith(".csv") else "")
            file.writelines(ROWS[name].format(id=10**18 + 10 * n + 7, n=n) for n in range(1, count + 1))
        weigh = [sys.executable, "-c", MEASURE, str(path)]
        done = subprocess.run(weigh, env=environment(measured=False), capture_output=True, text=True, check=True)
        seen, peak_kib = map(int, done.stdout.split())
        assert seen >= count
        peaks_kib.append(peak_kib)
    assert peaks_kib[1] - peaks_kib[0] < 3 * 1024


@pytest.mark.parametrize(
    ("source", "given", "expected"),
    [
        ("a.plan", None, True),
        (Path("A.PLAN"), None, True),
        ("a.plan", "csv", True),
        ("a", "plan", True),
        ("-", "plan", True),
        ("a.csv", "plan", False),
        ("a.csv", None, False),
        ("plan", None, False),
        ([("7", 1, 5)], "plan", False),
        (None, "plan", False),
    ],
)
def test_what_is_meant_to_be_a_saved_plan(source: object, given: str | None, expected: bool) -> None:
    assert is_plan(source, given) is expected


def test_a_saved_plan_is_no_manifest_and_is_read_as_often_as_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.plan").write_bytes(PLAN)
    with open_manifest(tmp_path / "a.plan") as manifest:
        with pytest.raises(UsageError, match=r"a\.plan: is a saved plan, and a manifest is wanted; `bulkroute show`"):
            manifest.read(Faults())
        for _ in range(2):
            faults = Faults()
            assert len(list(manifest.read_plan(faults).rows())) == 4
            assert not faults.total
        assert faults.name == f"{tmp_path}/a.plan"
        faults = Faults("short.plan")
        manifest.read_plan(faults)
        assert faults.name == "short.plan"


def test_the_digest_of_a_file_that_was_not_read_is_that_of_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT)
    with open_manifest(tmp_path / "a.csv") as manifest:
        manifest.file.read(5)
        assert manifest.digest == f"csv:2:{SHA256}"
        assert manifest.file.tell() == 5
