"""`python -m app` is the command line; `python -m app contract` writes schema/api.graphql anew."""

import sys

from app.cli import main

if __name__ == "__main__":
    if sys.argv[1:] == ["contract"]:
        from app.contract import write

        write()
    else:
        main()
