"""Chinese answers, in the encodings that Chinese systems use, declared or not."""

import json

import pytest

from bulkroute.simulator import Faults, Flow, Route
from tests.simulator.conftest import ID, ONE, Serve

NAMED = [Flow(201, "夜间值班")]
BOUND = [Route(ID, 3, 201)]


@pytest.mark.parametrize("charset", ["gbk", "gb18030", "utf-8"])
@pytest.mark.parametrize("declared", [True, False])
async def test_answers_come_in_chinese(serve: Serve, charset: str, declared: bool) -> None:
    faults = Faults(charset=charset, charset_declared=declared)  # type: ignore[arg-type]  # one of the three
    async with serve(BOUND, faults, flows=NAMED) as peer:
        for answer, field, text in (
            (await peer.modify(ID, 3, 201), "description", "更新成功"),
            (await peer.modify("404"), "description", "被叫路由不存在"),
            (await peer.token(), "Scope", "默认"),
        ):
            assert answer.status == 200
            told = answer.headers["Content-Type"]
            assert told == ("application/json" + (f";charset={charset.upper()}" if declared else ""))
            assert json.loads(answer.body.decode(charset))[field] == text
        rows = json.loads((await peer.send("query")).body.decode(charset))["data"]["calledRouteList"]
        assert rows[0]["deviceDesc"] == "夜间值班"


async def test_gbk_is_no_utf_8(serve: Serve) -> None:
    async with serve(ONE, Faults(charset="gbk")) as peer:
        with pytest.raises(UnicodeDecodeError):
            (await peer.modify(ID)).body.decode()


async def test_damaged_answers_stay_damaged(serve: Serve) -> None:
    async with serve(ONE, Faults(charset="gbk", garbage=1)) as peer:
        assert b"\xff\xfe" in (await peer.modify(ID)).body
        peer.simulator.set_faults(Faults(charset="gbk", fail_502=1))
        assert b"502 Bad Gateway" in (await peer.modify(ID)).body


async def test_what_an_encoding_lacks_becomes_a_question_mark(serve: Serve) -> None:
    async with serve(BOUND, Faults(charset="gbk"), flows=[Flow(201, "Menú 🌙")]) as peer:
        rows = json.loads((await peer.send("query")).body.decode("gbk"))["data"]["calledRouteList"]
        assert rows[0]["deviceDesc"] == "Menú ?"
