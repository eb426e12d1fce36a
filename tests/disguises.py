"""How a hostile service may hand a secret back, and whether one can be made out in what the program shows."""

import asyncio
import base64
import html
import json
import re
import threading
import unicodedata
from collections.abc import Awaitable, Callable
from urllib.parse import quote, unquote

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Hostile:
    """A server of one answer, in the loop of its own thread."""

    def __init__(self, handler: Handler) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(handler), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def _listen(self, handler: Handler) -> None:
        self._server = web.Server(handler, access_log=None)
        self._listener = await self._loop.create_server(self._server, "127.0.0.1", 0)

    def close(self) -> None:
        async def stop() -> None:
            self._listener.close()
            await self._server.shutdown(1)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def each(form: str, text: str) -> str:
    """Write each character of a text in a form of its own, `\\\\u{:04x}` for instance."""
    return "".join(form.format(ord(char)) for char in text)


def split(text: str, by: str, length: int = 7) -> str:
    return by.join(text[place : place + length] for place in range(0, len(text), length))


def based(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a header": "Authorization: Bearer {}".format,
    "in JSON": lambda text: json.dumps({"heard": text}),
    "in JSON within JSON": lambda text: json.dumps(json.dumps({"heard": text})),
    "with escaped slashes": lambda text: text.replace("/", "\\/"),
    "in JSON's escapes": lambda text: each("\\u{:04x}", text),
    "in Python's escapes": lambda text: each("\\x{:02X}", text),
    "in a URL": lambda text: quote(text, safe=""),
    "in a URL in small letters": lambda text: re.sub("%..", lambda sign: sign[0].lower(), quote(text, safe="")),
    "in a URL within a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "every character as in a URL": lambda text: each("%{:02x}", text),
    "in HTML": html.escape,
    "in decimal entities": lambda text: each("&#{};", text),
    "in hexadecimal entities": lambda text: each("&#x{:04X};", text),
    "in HTML within HTML": lambda text: html.escape(each("&#{};", text)),
    "split over lines": lambda text: split(text, "\r\n"),
    "split by escaped line ends": lambda text: split(text, "\\n"),
    "split by what is not seen": lambda text: split(text, "\u200b", 3),
    "as misread UTF-16": lambda text: split(text, "\0", 1),
    "in full-width letters": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "in base64": lambda text: based(f"key:{text}"),
    "in base64 over lines": lambda text: split(based(f"k:{text}"), "\n", 20),
    "in hexadecimal": lambda text: text.encode().hex(),
}
"""Each takes a text and writes it so that whoever sees it can still read it."""


def made_out(shown: str, secret: str) -> bool:
    """Return whether a secret can be read in what is shown, by its letters and digits, whatever stands between them."""
    wanted = re.sub("[^0-9A-Za-z]", "", secret)
    text = unicodedata.normalize("NFKC", shown)
    for _ in range(5):
        text = re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda sign: chr(int(sign[1], 16)), unquote(html.unescape(text)))
    packed = (re.sub("[^0-9A-Za-z]", "", seen) for seen in (text, re.sub(r"\\+[nrt]", "", text)))
    coded = [based("x" * before + secret)[4:-4].rstrip("=") for before in range(3)]
    needles = [wanted, secret.encode().hex(), *(re.sub("[^0-9A-Za-z]", "", one) for one in coded)]
    return any(needle in seen for seen in packed for needle in needles)
