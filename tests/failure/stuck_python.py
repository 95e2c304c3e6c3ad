"""A program that runs a proxy through the Python API and then holds the GIL in a C call.

`python stuck_python.py CONFIG SECONDS`: prints the admin address and each listener's, then `stuck`, and
does not let go of Python for so long.
"""

from __future__ import annotations

import ctypes
import json
import sys

from ferryman import Proxy


def main() -> None:
    """Serve, print, get stuck."""
    with Proxy.from_file(sys.argv[1]) as proxy:
        print(json.dumps({"admin": proxy.admin_address, "listeners": proxy.listener_addresses}), flush=True)
        print("stuck", flush=True)
        # PyDLL, unlike CDLL, keeps the GIL during the call: no Python code runs in this process meanwhile.
        ctypes.PyDLL(None).sleep(int(sys.argv[2]))
        print("free", flush=True)


if __name__ == "__main__":
    main()
