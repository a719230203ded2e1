"""Dials, negotiates a subprotocol, sends, receives, closes. usage: quickstart.py [url [ca.pem]]"""

import sys

import wsdial


def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    ca_file = sys.argv[2] if len(sys.argv) > 2 else None
    try:
        with wsdial.connect(uri, subprotocols=["json"], ca_file=ca_file) as ws:
            print(f'negotiated protocol: "{ws.subprotocol or ""}"')
            ws.send('{"hello":"wsdial"}')
            print(f"received: {ws.recv(timeout=5)}")
        print(f"closed cleanly: {ws.close_code}")
    except (wsdial.WebSocketException, OSError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
