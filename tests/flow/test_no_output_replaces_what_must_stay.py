"""`-o` and `--metrics-file` replace nothing by mistake: no file without --force, no ledger, no manifest, no device."""

import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import Service, bulkroute, command, environment, ids, serving, targets, write_csv

pytestmark = pytest.mark.usefixtures("uncounted_commands")

QUICK = ("--rate", "unlimited", "--yes")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Service]]:
    """Give a folder with a ledger, and the service it is of."""
    folder = tmp_path_factory.mktemp("night")
    wanted = targets(ids(5))
    write_csv(folder / "night.csv", wanted)
    with serving(wanted) as service:
        assert bulkroute("run", "night.csv", "--base-url", service.url, *QUICK, cwd=folder).code == 0
        yield folder, service


def writers(service: Service) -> list[tuple[str, ...]]:
    """Return commands that write to `-o`, without its file; `select` and `targets` go through the same check."""
    return [
        ("export", "night.ledger.db", "-o"),
        ("report", "night.ledger.db", "-o"),
        ("snapshot", "--base-url", service.url, "-o"),
    ]


def is_whole(text: str) -> bool:
    """Tell whether a text is all that one of the commands writes."""
    page = text.startswith("<!doctype html>") and text.endswith("</html>\n")
    return page or all(row_id in text for row_id in ids(5))


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Hold that the block leaves a file as it was, in content, mode and number."""
    before, found = path.read_bytes(), path.stat()
    yield
    after = path.stat()
    assert path.read_bytes() == before
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (found.st_ino, found.st_mode, found.st_mtime_ns)


@pytest.mark.slow
def test_a_file_is_replaced_with_force_alone_and_keeps_its_mode(night: tuple[Path, Service]) -> None:
    folder, service = night
    for number, words in enumerate(writers(service)):
        file = folder / f"kept-{number}"
        file.write_text("precious")
        file.chmod(0o600)
        calls = service.simulator.calls_per_endpoint.total()
        with kept(file):
            refused = bulkroute(*words, file.name, cwd=folder)
        assert refused.code == 2
        assert f"{file.name}: is there already; name another file with -o, or replace it with --force" in refused.err
        assert service.simulator.calls_per_endpoint.total() == calls, "asked before the answer could be used"
        assert bulkroute(*words, file.name, "--force", cwd=folder).code == 0
        assert is_whole(file.read_text())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.slow
def test_no_ledger_and_no_manifest_of_a_ledger_is_replaced_even_with_force(night: tuple[Path, Service]) -> None:
    folder, service = night
    for words in writers(service):
        for name, says in (
            ("night.ledger.db", "is a ledger, or belongs to one"),
            ("night.csv", "is the manifest of night.ledger.db"),
        ):
            with kept(folder / name):
                refused = bulkroute(*words, name, "--force", cwd=folder)
            assert refused.code == 2
            assert f"{name}: {says}; name another file with -o" in refused.err


@pytest.mark.slow
def test_a_manifest_is_known_by_a_link_and_from_another_folder(night: tuple[Path, Service]) -> None:
    folder, service = night
    there = folder / "sub"
    there.mkdir()
    (folder / "link.csv").symlink_to("night.csv")
    for words in writers(service):
        from_there = [word.replace("night.", "../night.") for word in words]
        for name in ("../night.csv", "../link.csv"):
            with kept(folder / "night.csv"):
                refused = bulkroute(*from_there, name, "--force", cwd=there)
            assert refused.code == 2
            assert "is the manifest of " in refused.err


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_stays_a_device(night: tuple[Path, Service]) -> None:
    folder, service = night
    node = folder / "null"
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    before = node.stat()
    try:
        with node.open("wb") as file:
            file.write(b"x")
    except PermissionError:
        pytest.skip("devices cannot be opened on this file system")
    for words in writers(service):
        assert bulkroute(*words, "null", cwd=folder).code == 0, words
    run = ("run", "night.csv", "--base-url", service.url, *QUICK, "--metrics-file", "null")
    refused = bulkroute(*run, cwd=folder)
    assert refused.code == 2
    assert "null: is no regular file, and is not replaced; name another file with --metrics-file" in refused.err
    after = node.stat()
    assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)


@pytest.mark.slow
def test_a_fifo_is_written_into(night: tuple[Path, Service]) -> None:
    folder, service = night
    for words in writers(service):
        fifo = folder / "pipe"
        os.mkfifo(fifo)
        read: list[str] = []
        reader = threading.Thread(target=lambda fifo=fifo, read=read: read.append(fifo.read_text()), daemon=True)
        reader.start()
        assert bulkroute(*words, "pipe", cwd=folder).code == 0
        reader.join(30)
        assert is_whole(read[0])
        assert fifo.is_fifo()
        fifo.unlink()


@pytest.mark.slow
def test_standard_output_by_any_name_is_standard_output(night: tuple[Path, Service]) -> None:
    folder, service = night
    (folder / "out").symlink_to("/proc/self/fd/1")
    for words in writers(service):
        for name in ("/dev/stdout", "out"):
            assert is_whole(bulkroute(*words, name, cwd=folder).out)
            # Redirected to a file that holds something already, as `>>` does.
            log = folder / "log"
            log.write_text("first\n")
            with log.open("a") as file:
                subprocess.run(command(*words, name), cwd=folder, env=environment(), stdout=file, check=True)
            assert is_whole(log.read_text().removeprefix("first\n"))
            assert log.read_text().startswith("first\n")
    assert (folder / "out").is_symlink()
    # A reader that leaves ends it as it ends any other output.
    piped = f"{' '.join(command('export', 'night.ledger.db', '-o', '/dev/stdout'))} | head -c 1 >/dev/null"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", piped], cwd=folder, env=environment(), check=False)
    assert ended.returncode in (0, 4)


@pytest.mark.slow
def test_metrics_replace_metrics_alone(night: tuple[Path, Service]) -> None:
    folder, service = night
    run = ("run", "night.csv", "--base-url", service.url, *QUICK, "--metrics-file")
    (folder / "notes.txt").write_text("precious")
    with kept(folder / "notes.txt"):
        refused = bulkroute(*run, "notes.txt", cwd=folder)
    assert refused.code == 2
    assert "notes.txt: is no file of metrics, and is not replaced; name another file" in refused.err
    (folder / "night.prom").touch(mode=0o640)
    for _again in range(2):
        assert bulkroute(*run, "night.prom", cwd=folder).code == 0
        assert "bulkroute_last_run_exit_code" in (folder / "night.prom").read_text()
    assert stat.S_IMODE((folder / "night.prom").stat().st_mode) == 0o640


@pytest.mark.slow
def test_what_a_killed_process_left_stops_nobody_and_is_swept(night: tuple[Path, Service]) -> None:
    folder, service = night
    leftovers = [folder / f".night2.prom.{pid}.partial" for pid in range(1, 4)]
    for left in leftovers:
        left.write_text("half")
    # As in a container, where the process of each night has the same number.
    run = command("run", "night.csv", "--base-url", service.url, *QUICK, "--metrics-file", "night2.prom")
    script = 'touch .night2.prom.$$.partial; exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", *run], cwd=folder, env=environment(), check=False)
    assert done.returncode == 0
    assert [path.name for path in folder.iterdir() if "night2" in path.name] == ["night2.prom"]


@pytest.mark.slow
def test_new_files_follow_the_umask_and_are_never_open_to_all(night: tuple[Path, Service]) -> None:
    folder, service = night
    for umask, mode in ((0o000, 0o644), (0o077, 0o600)):
        for words in writers(service):
            file = folder / "new"
            done = subprocess.run(
                ["sh", "-c", f'umask {umask:o}; exec "$@"', "sh", *command(*words, "new")],
                cwd=folder,
                env=environment(),
                check=False,
            )
            assert done.returncode == 0
            assert stat.S_IMODE(file.stat().st_mode) == mode
            file.unlink()
