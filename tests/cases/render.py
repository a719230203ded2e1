#!/usr/bin/env python3
"""Writes cases.txt as a table to docs/cases.md; with --check says whether it is there already."""
import sys
from os.path import abspath, dirname, join

here = dirname(abspath(__file__))
sys.path.insert(0, here)
from cases import read_cases  # noqa: E402

TOP = """# One behaviour in every language

What a server does, what a client does, and what comes out of it, in C, Python and Go alike: this table is
`tests/cases/cases.txt`, written by `tests/cases/render.py`, and each row is run by `cargo test --test cases`, by `go test` and
by `pytest`. `tests/cases/README.md` explains the words.

| case | what it shows | the server | the client and what it gets |
|---|---|---|---|
"""


def cell(lines):
    return "<br>".join("`" + line.replace("|", "\\|") + "`" for line in lines)


def table(cases):
    for case in cases:
        settings = [f"offers {name}" for name in case["offer"]] + [f"header {n}: {v}" for n, v in case["header"]]
        settings += [f"limit {case['limit']}"] if case["limit"] else []
        settings += [case["url"]] if case["url"] else []
        client = settings + [f"{step} → {outcome}" for step, outcome in case["client"]]
        yield f"| {case['name']} | {case['about']} | {cell(case['server'])} | {cell(client)} |\n"


def main():
    page = TOP + "".join(table(read_cases(join(here, "cases.txt"))))
    path = join(here, "../../docs/cases.md")
    if "--check" not in sys.argv[1:]:
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)
        return 0
    with open(path, encoding="utf-8") as file:
        if file.read() == page:
            return 0
    print("docs/cases.md is not what tests/cases/cases.txt says: run tests/cases/render.py")
    return 1


sys.exit(main())
