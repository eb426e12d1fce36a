"""Answers as Chinese systems give them: texts in Chinese, in GBK, GB18030 or UTF-8, said so or not."""

from dataclasses import replace

from .answers import Answer

_CHINESE = {
    "data update success": "更新成功",
    "success": "成功",
    "system busy": "系统繁忙",
    "system busy, try again later": "系统繁忙，请稍后再试",
    "business failure: check the parameter values": "业务失败：请检查参数值",
    "the called route is in use": "被叫路由正在使用中",
    "the called route does not exist": "被叫路由不存在",
    "the called route must not be edited": "被叫路由不允许编辑",
    "the skill queue or IVR flow does not exist": "技能队列或IVR流程不存在",
    "a multimedia route cannot lead to an IVR flow": "多媒体渠道不支持选择IVR流程",
    "the media types of route and skill queue differ": "技能队列与接入码的媒体类型不一致",
    "app_key or app_secret is wrong": "app_key或app_secret错误",
    "Service unavailable": "服务不可用",
    "Backend timeout": "后端超时",
    "default": "默认",
}


def in_chinese(answer: Answer, charset: str, *, declared: bool) -> Answer:
    """Return a JSON answer in Chinese and in `charset`; any other answer as it is."""
    kinds = dict(answer.headers)
    if not kinds.get("Content-Type", "").startswith("application/json"):
        return answer
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return answer  # damaged on purpose
    for english, chinese in _CHINESE.items():
        text = text.replace(f'"{english}"', f'"{chinese}"')
    said = f"application/json;charset={charset.upper()}" if declared else "application/json"
    headers = tuple((name, said if name == "Content-Type" else value) for name, value in answer.headers)
    return replace(answer, body=text.encode(charset, "replace"), headers=headers)
