"""Sends the time every second and prints what comes back, until Ctrl-C, which closes. usage: echo.py [url [ca.pem [ms]]]"""

import sys
import threading
import time

import wsdial


def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    ca_file = (sys.argv[2] if len(sys.argv) > 2 else "") or None
    period = int(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 1.0
    over = threading.Event()

    def tick(ws: wsdial.ClientConnection) -> None:
        while not over.wait(period):
            try:
                ws.send(time.strftime("%Y-%m-%dT%H:%M:%S"))
            except wsdial.ConnectionClosed:
                return

    try:
        with wsdial.connect(uri, subprotocols=["json"], ca_file=ca_file) as ws:
            print(f'negotiated protocol: "{ws.subprotocol or ""}"', flush=True)
            ticker = threading.Thread(target=tick, args=(ws,))
            ticker.start()
            try:
                for message in ws:
                    print(f"received: {message}", flush=True)
            except KeyboardInterrupt:
                pass
            finally:
                over.set()
                ticker.join()
        print(f"closed cleanly: {ws.close_code}")
    except (wsdial.WebSocketException, OSError) as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
