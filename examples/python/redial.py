"""A connection that comes back: dialed again with growing, jittered delays. usage: redial.py [url [ca.pem [times]]]

It says hello on every connection and drops it, so that the next one is dialed; after so many it is enough.
"""

import sys

import wsdial


def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    ca_file = (sys.argv[2] if len(sys.argv) > 2 else "") or None
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    connections = 0
    try:
        for ws in wsdial.reconnect(uri, ca_file=ca_file):
            try:
                connections += 1
                ws.send(f"hello {connections}")
                print(f"received: {ws.recv(timeout=5)}")
                if connections == times:
                    break
                ws.close(4000, "again, please")
                ws.recv()
            except wsdial.ConnectionClosed:
                continue
        print(f"{connections} connections")
    except (wsdial.WebSocketException, OSError) as error:
        print(f"redial: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
