"""The echo client that the Autobahn testsuite drives, through Python, blocking: client.py ws://HOST:PORT AGENT [--misbehave]

With --misbehave it takes the last byte off every binary message: the comparison has to notice.
"""
import sys

import wsdial

# Longer than any case of the suite waits for anything.
PATIENCE = 60


def dial(target):
    return wsdial.connect(sys.argv[1] + target, open_timeout=PATIENCE, max_size=None, ping_interval=None)


def echo(ws, misbehaves=False):
    """Echoes until the connection ends, in whatever way: the server is the judge. Whether it ended by itself."""
    try:
        while True:
            message = ws.recv(timeout=PATIENCE)
            if misbehaves and isinstance(message, bytes):
                message = message[:-1]
            ws.send(message)
    except wsdial.ConnectionClosed:
        return True
    except TimeoutError:
        return False
    finally:
        # After the peer's close this waits for it to end the TCP connection, as RFC 6455 7.1.1 wishes.
        ws.close()


def main():
    agent, misbehaves = sys.argv[2], "--misbehave" in sys.argv[3:]
    ws = dial("/getCaseCount")
    count = int(ws.recv(timeout=PATIENCE))
    echo(ws)
    lost = 0
    for case in range(1, count + 1):
        if not echo(dial(f"/runCase?case={case}&agent={agent}"), misbehaves):
            print(f"case number {case} did not come to an end", file=sys.stderr)
            lost += 1
    lost += not echo(dial(f"/updateReports?agent={agent}"))
    return lost > 0


sys.exit(main())
