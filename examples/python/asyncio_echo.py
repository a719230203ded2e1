"""An echo client on an event loop: a reader, a ticker, Ctrl-C closes cleanly. usage: asyncio_echo.py [url [ca.pem]]"""

import asyncio
import signal
import sys

import wsdial
import wsdial.aio


async def read(ws: wsdial.aio.ClientConnection) -> None:
    async for message in ws:
        print(f"received: {message!r}", flush=True)


async def tick(ws: wsdial.aio.ClientConnection) -> None:
    for number in range(1_000_000):
        await ws.send(f"tick {number}")
        await asyncio.sleep(0.05)


async def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    ca_file = sys.argv[2] if len(sys.argv) > 2 else None
    try:
        async with wsdial.aio.connect(uri, subprotocols=["json"], ca_file=ca_file) as ws:
            print(f'negotiated protocol: "{ws.subprotocol or ""}"')
            tasks = [asyncio.create_task(read(ws)), asyncio.create_task(tick(ws))]
            interrupted = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
            tasks.append(asyncio.create_task(interrupted.wait()))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()  # loses no message
            await asyncio.gather(*tasks, return_exceptions=True)
        print(f"closed cleanly: {ws.close_code}")
    except (wsdial.WebSocketException, OSError) as error:
        print(f"asyncio_echo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
