"""`python -m toonforge`: the command line without an installed script."""

import sys

from toonforge.cli import main

if __name__ == "__main__":
    sys.exit(main())
