"""``vizproxy-run``, which is published for containers without vizproxy: ``vizproxy run`` by itself.

Its script, ``container/build/vizproxy-run.sh``, starts this by an interpreter with a C library of its
own. It hands over what the program is to preload, which it has kept from that interpreter.
"""

from __future__ import annotations

import os
import sys

from vizproxy.cli.main import main

if __name__ == "__main__":
    preload, *typed = sys.argv[1:]
    if preload:
        os.environ["LD_PRELOAD"] = preload
    sys.exit(main(["run", *typed]))
