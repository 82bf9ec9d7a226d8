"""Where ``vizproxy`` starts: the command line, but for ``vizproxy ping``, which has no time for it.

Nor has ``vizproxy serve`` time to spare at its end: a container gets a second for it.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from vizproxy.cli import ping
from vizproxy.errors import VizproxyError

_PINGS: Final = (["ping"], ["ping", "--ready"])


def main() -> int:
    """Run ``vizproxy`` and return its exit code."""
    arguments = sys.argv[1:]
    if arguments in _PINGS and (place := ping.told_place(os.environ)):
        try:
            ping.ping(place, ready="--ready" in arguments)
        except VizproxyError as error:
            print(f"vizproxy: {error}", file=sys.stderr)
            return error.exit_code
        return 0
    from vizproxy.cli import main

    code = main.main()
    if arguments[:1] == ["serve"]:
        # All that the daemon has made is gone. To take its modules apart would take Python up to half a
        # second more, and a thread that hangs in a driver for ever.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
