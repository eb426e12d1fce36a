"""Which routes a file of exceptions names: a manifest of any kind, or ids and numbers line by line."""

from pathlib import Path

import pytest

from bulkroute.errors import ManifestError, UsageError
from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.excepted import excepted_ids

ID = "1125397061153369092"
ROUTES = [
    LiveRoute(ID, 3, 3001, "4008001234", "", 5, "Old", "0"),
    LiveRoute("video", 3, 3001, "4008001234", "", 19, "Old", "0"),
    LiveRoute("ext", 3, 3001, "4008001234", "2", 5, "Old", "0"),
    LiveRoute("split", 3, 3001, "6688", "1", 5, "Old", "0"),
    LiveRoute("whole", 3, 3001, "66881", "", None, "Old", "0"),
    LiveRoute("plus", 3, 3001, "+551140028922", "", 5, "Old", "0"),
]


def excepted(folder: Path, text: str, name: str = "vip.txt") -> tuple[set[str], list[str]]:
    (folder / name).write_text(text, "utf-8")
    told: list[str] = []
    return set(excepted_ids(folder / name, ROUTES, told.append)), told


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        (f"{ID}\n", {ID}),
        ("id\nvideo\n\n ext \n", {"video", "ext"}),
        ("\ufeffAccess Code\n+55 11 4002-8922\n", {"plus"}),
        ("4008001234\n", {ID, "video"}),  # whatever their media types
        ("40080012342\n", {"ext"}),
        ("66881\n", {"split", "whole"}),  # callers dial the same
        ("'+551140028922\r\n", {"plus"}),
        ("\n\n", set()),
    ],
)
def test_a_list_has_an_id_or_a_number_on_each_line(tmp_path: Path, lines: str, ids: set[str]) -> None:
    assert excepted(tmp_path, lines) == (ids, [])


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
    assert excepted(tmp_path, text, "vip.csv")[0] == ids


def test_yaml_too(tmp_path: Path) -> None:
    assert excepted(tmp_path, f"- {{id: {ID}, devicetype: 3, deviceId: 1}}\n", "vip.yaml") == ({ID}, [])


def test_ids_of_a_manifest_that_are_gone_are_counted(tmp_path: Path) -> None:
    ids, told = excepted(tmp_path, "id,devicetype,deviceId,owner\ngone,ivr,1,x\next,ivr,1,x\n", "vip.csv")
    assert "ext" in ids
    assert told == [
        f"{tmp_path / 'vip.csv'}: columns not used: 'owner'",
        f"{tmp_path / 'vip.csv'}: 1 id is no called route any more",
    ]


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        (
            "vip.txt",
            "551140028922\n4008001235\n4.0E+09\nVIP\n",
            [
                "1: no route 551140028922; +551140028922 exists: has a leading 0 or + been lost?",
                "2: no route 4008001235",
                "3: number '4.0E+09' is in scientific notation",
                "4: number 'VIP' holds 'V'",
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
        excepted(tmp_path, text, name)
    assert refused.value.total == len(faults)
    for fault, says in zip(refused.value.faults, faults, strict=True):
        assert fault.startswith(f"{tmp_path / name}:{says}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the exceptions cannot be read: No such file"):
        excepted_ids(tmp_path / "none.txt", ROUTES, print)
    (tmp_path / "vip.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is no text in UTF-8"):
        excepted_ids(tmp_path / "vip.txt", ROUTES, print)
