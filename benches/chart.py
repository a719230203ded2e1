#!/usr/bin/env python3
"""Draws what run.py measured: chart.py RAW.jsonl... > chart.svg

One row for each test, one bar for each client: CPU time per message beside limit-ws, the bare client, which is 1. Medians of
the repeats; a thin line spans them. Needs nothing but Python.
"""
import json
import statistics
import sys
from html import escape

TITLES = {
    "recv-64": "receive 64 B", "recv-1024": "receive 1 KiB", "recv-65536": "receive 64 KiB", "recv-1048576": "receive 1 MiB",
    "send-64": "send 64 B", "send-1024": "send 1 KiB", "send-65536": "send 64 KiB", "send-1048576": "send 1 MiB",
    "rtt-64": "round trip 64 B",
}
COLOURS = {"wsdial": "#3f51b5", "wsdial-batch": "#7986cb", "limit-ws": "#9e9e9e", "limit-wsb": "#bdbdbd",
           "tungstenite": "#ef6c00", "libwebsockets": "#00897b"}
BAR, GAP, LEFT, WIDTH, MOST = 14, 16, 190, 860, 4.0


def costs(files):
    """test -> client -> CPU us per message of each repeat."""
    by = {}
    for file in files:
        for row in map(json.loads, open(file)):
            if "error" not in row and row["test"] in TITLES:
                cost = (row["user_s"] + row["sys_s"]) / row["count"] * 1e6
                by.setdefault(row["test"], {}).setdefault(row["client"], []).append(cost)
    return by


def main():
    by = costs(sys.argv[1:])
    scale = (WIDTH - LEFT - 110) / MOST
    body, y = [], 44
    for test in [test for test in TITLES if "limit-ws" in by.get(test, {})]:
        base = statistics.median(by[test]["limit-ws"])
        body.append(f'<text x="0" y="{y + 11}" class="test">{TITLES[test]}</text>')
        for client in sorted(by[test], key=lambda name: list(COLOURS).index(name) if name in COLOURS else 99):
            ratios = sorted(cost / base for cost in by[test][client])
            ratio = statistics.median(ratios)
            wide, low, high = (min(value, MOST) * scale for value in (ratio, ratios[0], ratios[-1]))
            middle = y + BAR / 2
            body.append(
                f'<rect x="{LEFT}" y="{y}" width="{wide:.1f}" height="{BAR - 2}" fill="{COLOURS.get(client, "#8d6e63")}"/>'
                f'<line x1="{LEFT + low:.1f}" x2="{LEFT + high:.1f}" y1="{middle - 1}" y2="{middle - 1}" stroke="#000" stroke-opacity="0.5"/>'
                f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{escape(client)}</text>'
                f'<text x="{LEFT + wide + 6:.1f}" y="{y + 11}">{ratio:.2f}{" …" if ratio > MOST else ""}</text>')
            y += BAR
        y += GAP
    if not body:
        sys.exit("chart.py: nothing that was measured beside limit-ws")
    one = LEFT + scale
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="11">'
          f"<style>.test{{font-weight:bold}}</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
          f'<text x="{LEFT}" y="18" font-size="13">CPU time per message, a bare client without any checks (limit-ws) is 1; shorter is better</text>'
          f'<line x1="{one}" x2="{one}" y1="30" y2="{y}" stroke="#9e9e9e" stroke-dasharray="3 3"/>' + "".join(body) + "</svg>")


main()
