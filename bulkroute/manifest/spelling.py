"""How people spell columns, device types and media types, in English, Chinese, Portuguese and Spanish.

Headers and type names are found without case, accents, blanks and punctuation. Values are never taken for what they
only resemble: an unknown name stays unknown.
"""

import unicodedata
from collections.abc import Mapping
from typing import TypeVar

from bulkroute.model import DeviceType, MediaType

Meant = TypeVar("Meant")

_IGNORED = frozenset(" _-./\u200b\u200c\u200d\u2060\ufeff")

BY_NUMBER = {
    "accessCode": "access code, 接入码, código de acesso, código de acceso",
    "extCode": "extension code, ext, extension, subcode, 扩展码, 后续接入码, código de extensão, código de extensión",
    "number": "called number, called party, called, did, ddi, dnis, phone number, toll-free, 被叫, 被叫号码, 号码, número",
    "mediaType": "mediaTypeId, channel, 媒体类型, tipo de mídia, tipo de medio",
    "devicetype": "device type, type, 设备类型, tipo de dispositivo",
    "deviceId": "target id, skillId, 设备id, 目标设备id",
    "target": "target name, device name, skill queue, queue name, ivr flow, flow name, destination, 目标, 技能队列名称, "
    "流程名称, destino",
    "wave": "phase, 批次, onda, ola",
}
"""The columns of a manifest by number, each with its other names."""

BY_ID = {
    **dict.fromkeys(("id", "devicetype", "deviceId", "accessCode", "extCode", "target", "wave"), ""),
    "mediaType": "mediaTypeId",
}
"""The columns of a manifest by id; beside an id, `type` or `destination` may be anything."""

_TYPES = {
    DeviceType.SKILL_QUEUE: "skill_queue, skill, queue, 技能队列, fila, cola",
    DeviceType.IVR: "ivr, flow, ivr flow, IVR流程, fluxo, flujo",
}
_MEDIA = {
    MediaType.VOICE: "voice, audio-video, 音视频",
    MediaType.VIDEO: "video, 视频",
    MediaType.MULTIMEDIA: "multimedia, 多媒体",
    MediaType.VOICE_CLICK: "voice-click, voice click to dial, 语音点击通话",
    MediaType.VIDEO_CLICK: "video-click, video click to dial, 视频点击通话",
}


def folded(name: str) -> str:
    """Return what is left of a name without case, accents, blanks, `_`, `-`, `.` and `/`, full-width letters made plain."""
    text = unicodedata.normalize("NFKD", name).casefold()
    return "".join(
        char for char in text if char not in _IGNORED and not char.isspace() and not unicodedata.combining(char)
    )


def _by_folded_name(others: Mapping[Meant, str]) -> dict[str, Meant]:
    return {folded(name): meant for meant, names in others.items() for name in names.split(", ") if name}


def fields_by_name(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the field that each folded name of `BY_ID` or `BY_NUMBER` stands for."""
    return {folded(field): field for field in columns} | _by_folded_name(columns)


TYPE_NAMES = {name: kind.value for name, kind in _by_folded_name(_TYPES).items()}
"""The device types by folded name; the vendor's numbers are not among them."""

_TYPE_NUMBERS = {str(kind.value): kind.value for kind in DeviceType}
_MEDIA_TYPES = {name: media.value for name, media in _by_folded_name(_MEDIA).items()} | {
    str(media.value): media.value for media in MediaType
}


def devicetype_of(text: str) -> int | None:
    """Return the device type that `text` names, or None; a number counts in digits 0-9 only."""
    return _TYPE_NUMBERS.get(text) or TYPE_NAMES.get(folded(text))


def media_type_of(text: str) -> int | None:
    """Return the media type that `text` names, or None."""
    return _MEDIA_TYPES.get(folded(text))
