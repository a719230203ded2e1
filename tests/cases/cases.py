"""Reads cases.txt. For server.py and render.py, and for whoever else is a Python program."""
import re

ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\", '"': '"'}
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\d+)\*([0-9a-f]{2})|([0-9a-f]{2})(?= |$)|(ACCEPT)')


def unescape(text):
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else ESCAPES[m[1]], text)


def read_bytes(text, accept=""):
    """The bytes that a list of tokens stands for."""
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        token = TOKEN.match(text, at)
        if not token:
            raise ValueError(f"no token: {text[at:]}")
        quoted, times, byte, single, accepts = token.groups()
        if quoted is not None:
            out += unescape(quoted).encode("latin-1")
        elif times:
            out += bytes.fromhex(byte) * int(times)
        elif single:
            out += bytes.fromhex(single)
        elif accepts:
            out += accept.encode()
        at = token.end()
    return bytes(out)


def read_cases(path):
    """A list of dicts: name, about, offer, header, limit, url, server (lines), client (pairs of step and outcome)."""
    cases = []
    with open(path, encoding="ascii") as file:
        for line in file:
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                cases.append(dict(name=line[1:-1], about="", offer=[], header=[], limit=0, url=None, server=[], client=[]))
                continue
            word, _, rest = line.partition(" ")
            case = cases[-1]
            if word in ("about", "url"):
                case[word] = rest
            elif word == "limit":
                case["limit"] = int(rest)
            elif word == "header":
                case["header"].append(tuple(rest.split(" ", 1)))
            elif word == "client":
                case["client"].append(tuple(rest.split(" -> ", 1)))
            elif word in ("offer", "server"):
                case[word].append(rest)
            else:
                raise ValueError(f"no such line: {line}")
    return cases
