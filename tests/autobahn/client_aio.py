"""The echo client that the Autobahn testsuite drives, through asyncio: client_aio.py ws://HOST:PORT AGENT [--misbehave]

With --misbehave it takes the last byte off every binary message: the comparison has to notice.
"""
import asyncio
import sys

import wsdial
import wsdial.aio

# Longer than any case of the suite waits for anything.
PATIENCE = 60


async def dial(target):
    return await wsdial.aio.connect(
        sys.argv[1] + target, open_timeout=PATIENCE, close_timeout=5, max_size=None, ping_interval=None, proxy=None
    )


async def echo(ws, misbehaves=False):
    """Echoes until the connection ends, in whatever way: the server is the judge. Whether it ended by itself."""
    try:
        while True:
            message = await asyncio.wait_for(ws.recv(), PATIENCE)
            if misbehaves and isinstance(message, bytes):
                message = message[:-1]
            await ws.send(message)
    except wsdial.ConnectionClosed:
        return True
    except asyncio.TimeoutError:
        return False
    finally:
        # After the peer's close this waits for it to end the TCP connection, as RFC 6455 7.1.1 wishes.
        await ws.close()


async def main():
    agent, misbehaves = sys.argv[2], "--misbehave" in sys.argv[3:]
    ws = await dial("/getCaseCount")
    count = int(await ws.recv())
    await echo(ws)
    lost = 0
    for case in range(1, count + 1):
        if not await echo(await dial(f"/runCase?case={case}&agent={agent}"), misbehaves):
            print(f"case number {case} did not come to an end", file=sys.stderr)
            lost += 1
    lost += not await echo(await dial(f"/updateReports?agent={agent}"))
    return lost > 0


sys.exit(asyncio.run(main()))
