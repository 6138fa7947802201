"""A Ray cluster that runs already, for tests that join one: `python ray_house.py TOKEN` says its HOST:PORT."""

import os
import sys

from penstock.runtime.ray_driver import _cluster

if __name__ == "__main__":
    os.setpgrp()  # so that the guard ends this cluster's processes and no others
    with _cluster(address="", token=sys.argv[1], workers=2) as where:
        print(where, flush=True)
        sys.stdin.read()
    os._exit(0)
