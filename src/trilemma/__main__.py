"""`python -m trilemma`: the same as the command `trilemma`."""

import sys

from trilemma.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
