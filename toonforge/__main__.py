"""`python -m toonforge`: the command line without an installed script."""

import sys

if __name__ == "__main__":
    try:
        from toonforge.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while the command line itself was imported
        sys.exit(130)
