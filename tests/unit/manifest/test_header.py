"""Headers as people write them: which kind they make, which column is which field, and what is wrong with the others."""

import pytest

from bulkroute.manifest.header import Kind, columns_of, field_of, ignored, kind_of, problems_of
from bulkroute.manifest.spelling import media_type_of

EN = "Access Code|Extension Code|Media-Type|Device Type|Target id|Target name|Phase"
ZH = "接入码|扩展码|媒体类型|设备类型|设备ID|目标|批次"
PT = "Código de acesso|Código de extensão|Tipo de mídia|Tipo de dispositivo|skillId|Destino|Onda"
ES = "codigo de acceso|codigo de extension|tipo de medio|tipo de dispositivo|SKILL_ID|DESTINO|OLA"
VENDOR = "accessCode|extCode|mediatypeId|devicetype|deviceId|target|wave"
FIELDS = ["accessCode", "extCode", "mediaType", "devicetype", "deviceId", "target", "wave"]


@pytest.mark.parametrize("header", [EN, ZH, PT, ES, VENDOR])
def test_every_language_names_every_column(header: str) -> None:
    columns = columns_of(header.split("|"))
    assert columns.kind is Kind.BY_NUMBER
    assert columns.places == {field: place for place, field in enumerate(FIELDS)}
    assert not columns.problems
    assert not columns.unused(FIELDS)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("extCode", "ext, Extension, SubCode, 后续接入码"),
        ("number", "number, Called Number, called_party, CALLED, DID, DDI, dnis, Phone-Number, Toll-free, Toll Free"),
        ("number", "被叫, 被叫号码, 号码, Número, numero"),
        ("mediaType", "media type, mediaTypeId, Channel"),
        ("devicetype", "Type, device.type"),
        ("deviceId", "目标设备id"),
        ("target", "device name, Skill Queue, Queue Name, IVR Flow, flow-name, Destination, 技能队列名称, 流程名称"),
        ("accessCode", "Ａｃｃｅｓｓ　Ｃｏｄｅ, access/code, access\u00a0code, \ufeffAccessCode"),
    ],
)
def test_other_names_of_columns(field: str, names: str) -> None:
    for name in names.split(", "):
        assert field_of(name, Kind.BY_NUMBER) == field, name


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["id"], Kind.BY_ID),
        (["number", "target", "I D"], Kind.BY_ID),
        (["accessCode"], Kind.BY_NUMBER),
        (["DID"], Kind.BY_NUMBER),
        (["extCode", "target"], None),
        (["dnid"], None),
        ([], None),
    ],
)
def test_kinds(names: list[str], kind: Kind | None) -> None:
    assert kind_of(names) is kind


def test_beside_an_id_only_the_plain_names_are_columns() -> None:
    names = ["id", "type", "devicetype", "deviceId", "destination", "Access Code", "channel", "ext", "phase", "number"]
    columns = columns_of(names)
    assert columns.kind is Kind.BY_ID
    assert not columns.problems
    assert columns.places == {"id": 0, "devicetype": 2, "deviceId": 3, "accessCode": 5}
    assert columns.unused(("id", "devicetype", "deviceId")) == [
        "type",
        "destination",
        "Access Code",
        "channel",
        "ext",
        "phase",
        "number",
    ]


def test_what_was_before_is_known_and_named_in_no_notice() -> None:
    names = ["id", "devicetype", "deviceId", "before_target", "before_devicetype", "Before DeviceId", "before"]
    assert columns_of(names).unused(("id", "devicetype", "deviceId")) == ["before"]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("accessCode,number,target", "the header has accessCode and number, which is both codes as they are dialled"),
        ("DID,Extension,target", "the header has number, which is both codes as they are dialled, and extCode"),
        ("accessCode,extCode", "the header has no target and no deviceId; add target"),
        ("accessCode,devicetype", "the header has no target and no deviceId; add target"),
        ("accessCode,Flow,New Target,,extCode", "IVR flow, or rename 'Flow' or 'New Target' to target"),
        (
            "accessCode,Device Desc",
            "has Device Desc, which names the present target, but no target; rename it to target",
        ),
        ("accessCode,deviceId", "the header has deviceId but no devicetype; add it"),
        ("number,type,target,device type", "devicetype is the name of several columns ('type', 'device type'); keep"),
        ("number,target,destination", "target is the name of several columns ('target', 'destination'); keep one"),
        ("extCode,target", "the header has no id and no devicetype and no deviceId; name the columns"),
    ],
)
def test_headers_that_cannot_be_used(header: str, says: str) -> None:
    (problem,) = columns_of(header.split(",")).problems
    assert says in problem


@pytest.mark.parametrize(
    "header",
    [
        "accessCode,target",
        "accessCode,target,deviceId",
        "number,deviceId,devicetype",
        "accessCode,deviceDesc,target",
        "accessCode,extCode,deviceDesc,type,deviceId",
    ],
)
def test_headers_that_can_be_used(header: str) -> None:
    assert not columns_of(header.split(",")).problems


def test_the_subject_of_a_problem_may_be_a_row() -> None:
    assert problems_of(Kind.BY_NUMBER, {"extCode", "target"}, subject="this row") == [
        "this row has no accessCode and no number; add one"
    ]


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (5, "5, voice, Voice, audio-video, Audio Video, 音视频"),
        (19, "19, video, 视频"),
        (53, "53, MULTIMEDIA, 多媒体"),
        (2, "2, voice-click, Voice Click to Dial, 语音点击通话"),
        (18, "18, video_click, Video Click to Dial, 视频点击通话"),
    ],
)
def test_media_types(number: int, names: str) -> None:
    for name in names.split(", "):
        assert media_type_of(name) == number, name


@pytest.mark.parametrize("name", ["", "1", "05", "voices", "voice5", "语音视频"])
def test_unknown_media_types(name: str) -> None:
    assert media_type_of(name) is None


def test_twenty_further_columns_are_all_named() -> None:
    names = [f"x{number}" for number in range(21)]
    assert ignored(names[:20], "columns").endswith("'x19'")
    assert ignored(names, "columns").endswith("'x19' and more")
