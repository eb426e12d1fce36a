"""The limit of the transport: a tuned aiohttp and uvloop loop that keeps no ledger, no pace and tries nothing twice.

    python -m tests.bench.bare URL ROWS CONCURRENCY

Prints calls per second of the loop alone.
"""

import asyncio
import sys
import time

import aiohttp
import uvloop
from yarl import URL


async def post_all(address: str, rows: int, concurrency: int) -> float:
    """Post that many bodies; return how many a second."""
    url = URL(address)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + "t" * 32}
    numbers = iter(range(rows))

    async def work() -> None:
        for number in numbers:
            body = b'{"id":"1125397061153%06d","devicetype":3,"deviceId":201}' % number
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"status {answer.status}")

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=15),
        auto_decompress=False,
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
    ) as session:
        started_s = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return rows / (time.perf_counter() - started_s)


if __name__ == "__main__":
    print(uvloop.run(post_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
