#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""SECURITY.md, and tests/findings.md, name for what they say the tests that show it: each exists, and is run.

Usage: test-security.py SOURCE
"""

import glob
import os
import re
import sys

source = sys.argv[1]
references = re.findall(r"`([\w./-]+\.(?:py|c)): (\w+)`", "".join(open(f"{source}/{page}", encoding="utf-8").read() for page in ("SECURITY.md", "tests/findings.md")))
files = {name: text for path in glob.glob(f"{source}/tests/*/*") if path.endswith((".py", ".c"))
         for text in [open(path, encoding="utf-8").read()]
         for name in (os.path.basename(path), os.path.relpath(path, f"{source}/tests"))}


def is_run(text, name, kind):
    """A test is in its runner's list besides its definition, or that takes all functions; a fuzz target is what libFuzzer calls."""
    if kind == "py":
        return f"def {name}(" in text and (text.count(name) > 1 or "globals().values()" in text)
    return (re.search(rf"\b(test_)?{name}\(", text) and text.count(name) > 1) or f"int {name}(" in text


print(f"1..{len(references) + 1}")
print(f"{'ok' if len(references) > 20 else 'not ok'} 1 - the pages name tests")
failed = len(references) <= 20
for number, (file, name) in enumerate(references, 2):
    fine = file in files and is_run(files[file], name, file.rsplit(".", 1)[1])
    failed |= not fine
    print(f"{'ok' if fine else 'not ok'} {number} - {file} has the test {name.replace('_', ' ')}")
sys.exit(1 if failed else 0)
