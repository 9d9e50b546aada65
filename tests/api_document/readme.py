"""Writes down what a section of the README shows: files under their names, other blocks as 1.sh, 1.ts, 2.sh and so on."""

import pathlib
import re
import sys

readme, section = sys.argv[1:]
text = pathlib.Path(readme).read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
counts = {}
for name, kind, block in re.findall(r"(?:`([\w./-]+\.\w+)`[^`\n]*\n\n)?```(\w+)\n(.*?)^```$", text, re.S | re.M):
    counts[kind] = counts.get(kind, 0) + 1
    path = pathlib.Path(name or f"{counts[kind]}.{kind}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block)
