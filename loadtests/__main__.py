"""``python -m loadtests``: the command line, without an installation."""

import sys

from loadtests.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
