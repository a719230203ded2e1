"""Many connections on one event loop, without a thread each. usage: asyncio_many.py [url [connections [messages]]]"""

import asyncio
import sys

import wsdial
import wsdial.aio


async def dial(uri: str, gate: asyncio.Semaphore) -> wsdial.aio.ClientConnection:
    async with gate:  # not all at the same time
        return await wsdial.aio.connect(uri, open_timeout=60)


async def talk(ws: wsdial.aio.ClientConnection, messages: int) -> int:
    async with ws:
        for number in range(messages):
            await ws.send(f"message {number}")
            if await ws.recv() != f"message {number}":
                raise RuntimeError("not what was sent")
    return messages


async def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    messages = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    gate = asyncio.Semaphore(100)
    try:
        many = await asyncio.gather(*(dial(uri, gate) for _ in range(connections)))
        total = sum(await asyncio.gather(*(talk(ws, messages) for ws in many)))
    except (wsdial.WebSocketException, OSError) as error:
        print(f"asyncio_many: {error}", file=sys.stderr)
        return 1
    clean = sum(ws.close_code == 1000 for ws in many)
    print(f"{connections} connections, {total} messages each way, {clean} closed cleanly")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
