"""Which routes a file names: a manifest of any kind, or ids and numbers line by line."""

from pathlib import Path

import pytest

from bulkroute.errors import ManifestError, UsageError
from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.named_routes import NamedRoutes

ID = "1125397061153369092"
ROUTES = [
    LiveRoute(ID, 3, 3001, "4008001234", "", 5, "Old", "0"),
    LiveRoute("video", 3, 3001, "4008001234", "", 19, "Old", "0"),
    LiveRoute("ext", 3, 3001, "4008001234", "2", 5, "Old", "0"),
    LiveRoute("split", 3, 3001, "6688", "1", 5, "Old", "0"),
    LiveRoute("whole", 3, 3001, "66881", "", None, "Old", "0"),
    LiveRoute("plus", 3, 3001, "+551140028922", "", 5, "Old", "0"),
]


def named(folder: Path, text: str, name: str = "vip.txt") -> tuple[set[str], list[str]]:
    (folder / name).write_text(text, "utf-8")
    told: list[str] = []
    file = NamedRoutes(folder / name, "--except")
    ids = {row.id for row in file.rows(lambda: ROUTES)}
    file.require_whole(told.append)
    return ids, told


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        (f"{ID}\n", {ID}),
        ("id\nvideo\n\n ext \n", {"video", "ext"}),
        ("\nid\nvideo\n", {"video"}),
        ("\ufeffAccess Code\n+55 11 4002-8922\n", {"plus"}),
        ("4008001234\n", {ID, "video"}),  # whatever their media types
        ("40080012342\n", {"ext"}),
        ("66881\n", {"split", "whole"}),  # callers dial the same
        ("'+551140028922\r\n", {"plus"}),
        ("\n\n", set()),
    ],
)
def test_a_list_has_an_id_or_a_number_on_each_line(tmp_path: Path, lines: str, ids: set[str]) -> None:
    assert named(tmp_path, lines) == (ids, [])


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("accessCode,extCode,target\n4008001234,,x\n", {ID, "video"}),
        ("accessCode,extCode,mediaType,target\n4008001234,,video,x\n66881,,video,x\n", {"video", "whole"}),
        ("number,target\n66881,x\n", {"split", "whole"}),
        (f"id,devicetype,deviceId\n{ID},ivr,1\n{ID},ivr,2\n", {ID}),
    ],
)
def test_the_targets_of_a_manifest_do_not_matter(tmp_path: Path, text: str, ids: set[str]) -> None:
    assert named(tmp_path, text, "vip.csv")[0] == ids


def test_yaml_too(tmp_path: Path) -> None:
    assert named(tmp_path, f"- {{id: {ID}, devicetype: 3, deviceId: 1}}\n", "vip.yaml") == ({ID}, [])


def test_ids_that_are_gone_are_taken_and_of_a_list_they_are_counted(tmp_path: Path) -> None:
    gone = "1125397061153369999"
    assert named(tmp_path, f"{gone}\next\n") == (
        {gone, "ext"},
        [f"{tmp_path / 'vip.txt'}: 1 line is no called route any more"],
    )
    assert named(tmp_path, f"id,devicetype,deviceId\n{gone},ivr,1\n", "vip.csv") == ({gone}, [])


def test_a_manifest_by_id_does_not_ask_what_is_live(tmp_path: Path) -> None:
    (tmp_path / "vip.csv").write_text("id,devicetype,deviceId\n1,ivr,1\n1,ivr,2\n2,ivr,1\n")
    rows = NamedRoutes(tmp_path / "vip.csv", "--only").rows(lambda: pytest.fail("asked"))
    assert [(row.line, row.id, row.wanted) for row in rows] == [(2, "1", (1, 0)), (3, "1", (1, 0)), (4, "2", (1, 0))]


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        (
            "vip.txt",
            "551140028922\n4008001235\n4.0E+09\nVIP\n+55-11-4002-8923\n",
            [
                "1: no route 551140028922; +551140028922 exists: has a leading 0 or + been lost?",
                "2: no route 4008001235",
                "3: number '4.0E+09' is in scientific notation",
                "4: number 'VIP' holds 'V'",
                "5: no route +551140028923",  # as long as an id, and none for all that
            ],
        ),
        (
            "vip.csv",
            "accessCode,extCode,mediaType,target\n4008001234,3,,x\n4008001234,,multimedia,x\n",
            ["2: no route 4008001234 ext 3; 4008001234 exists", "3: no route 4008001234 with media type multimedia"],
        ),
    ],
)
def test_an_exception_that_means_nothing_is_a_fault(tmp_path: Path, name: str, text: str, faults: list[str]) -> None:
    with pytest.raises(ManifestError) as refused:
        named(tmp_path, text, name)
    assert refused.value.total == len(faults)
    for fault, says in zip(refused.value.faults, faults, strict=True):
        assert fault.startswith(f"{tmp_path / name}:{says}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read: No such file.*; --except takes a manifest"):
        NamedRoutes(tmp_path / "none.txt", "--except")
    (tmp_path / "vip.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is no text in UTF-8"):
        NamedRoutes(tmp_path / "vip.txt", "--except")
