"""Two threads send while one receives; every message comes back whole. usage: duplex.py [url [ca.pem]]"""

import sys
import threading

import wsdial

SENDERS, MESSAGES = 2, 2000


def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    ca_file = sys.argv[2] if len(sys.argv) > 2 else None

    def send(ws: wsdial.ClientConnection, sender: int) -> None:
        for number in range(MESSAGES):
            ws.send(f"{sender} {number} " + "x" * (number % 3000))

    try:
        with wsdial.connect(uri, subprotocols=["json"], ca_file=ca_file) as ws:
            print(f'negotiated protocol: "{ws.subprotocol or ""}"')
            senders = [threading.Thread(target=send, args=(ws, sender)) for sender in range(SENDERS)]
            for thread in senders:
                thread.start()
            following = [0] * SENDERS
            for _ in range(SENDERS * MESSAGES):
                sender, number, filling = ws.recv(timeout=30).split(" ")
                if int(number) != following[int(sender)] or len(filling) != int(number) % 3000:
                    print("duplex: a message is lost, cut or out of order", file=sys.stderr)
                    return 1
                following[int(sender)] += 1
            for thread in senders:
                thread.join()
        print(f"received: {sum(following)} messages, each whole and in its sender's order")
        print(f"closed cleanly: {ws.close_code}")
    except (wsdial.WebSocketException, OSError) as error:
        print(f"duplex: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
