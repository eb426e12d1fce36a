"""Measure the pacing in real time: aiohttp posts to a receiver in another process. Run by hand, not a test.

    python tests/pace_real_time.py [--seconds 10] [--concurrency 16] [--uvloop] [RATE ...]

For each rate prints what the receiver saw: the most calls in any half-open second, how many at most within one
millisecond, the burst that a leaky bucket of that rate would have needed, and the mean as a share of the rate; then
the most in any second by the sender's own clock. Receiver and sender share the machine's monotonic clock.
"""

import argparse
import asyncio
import math
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bulkroute.rate.pacer import Pacer

BODY = b'{"id":"1125397061153369092","devicetype":1,"deviceId":101}'


def most_within(starts_s: list[float], span_s: float) -> int:
    """Return the most calls in any half-open span of that length."""
    most = first = 0
    for last, start_s in enumerate(starts_s):
        while start_s - starts_s[first] >= span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def burst_needed(starts_s: list[float], rate_per_s: float) -> float:
    """Return the highest excess of a leaky bucket drained at that rate (nginx: `burst`)."""
    excess, highest, earlier_s = -1.0, 0.0, -math.inf
    for start_s in starts_s:
        excess = max(excess - (start_s - earlier_s) * rate_per_s, -1.0) + 1
        highest, earlier_s = max(highest, excess), start_s
    return highest


async def receive() -> None:
    """Serve until killed: a POST is stamped, a GET gives the stamps and forgets them."""
    stamps: list[float] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            given = web.json_response(stamps)
            stamps.clear()
            return given
        stamps.append(time.monotonic())
        await request.read()
        return web.Response(body=b'{"returnCode":"0"}', content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def send(url: str, rate_per_s: float, seconds: float, concurrency: int) -> str:
    """Send for that long and return the line to print."""
    pacer = Pacer(rate_per_s)
    left = round(rate_per_s * seconds)
    sent_s: list[float] = []

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await pacer.start()
            sent_s.append(time.monotonic())
            async with session.post(url, data=BODY) as answer:
                await answer.read()

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
        async with session.get(url) as answer:
            seen_s: list[float] = await answer.json()
    seen_s.sort()
    mean = (len(seen_s) - 1) / (seen_s[-1] - seen_s[0]) / rate_per_s
    return (
        f"{rate_per_s:6g}/s: most in a second {most_within(seen_s, 1.0)}, in 1 ms {most_within(seen_s, 0.001)}, "
        f"burst {burst_needed(seen_s, rate_per_s):.1f}, mean/R {mean:.4f}; at the sender {most_within(sent_s, 1.0)}"
    )


def main() -> None:
    """Start the receiver, measure each rate in turn, stop the receiver."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rates", nargs="*", type=float, default=[20, 100, 500, 2000], metavar="RATE")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.receive:
        asyncio.run(receive())
        return
    loop_factory = None
    if args.uvloop:
        import uvloop

        loop_factory = uvloop.new_event_loop
    with subprocess.Popen([sys.executable, __file__, "--receive"], stdout=subprocess.PIPE, text=True) as receiver:
        try:
            url = f"http://127.0.0.1:{receiver.stdout.readline().strip() if receiver.stdout else ''}/"
            for rate in args.rates:
                with asyncio.Runner(loop_factory=loop_factory) as runner:
                    print(runner.run(send(url, rate, args.seconds, args.concurrency)), flush=True)
        finally:
            receiver.terminate()


if __name__ == "__main__":
    main()
