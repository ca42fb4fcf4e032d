"""``python -m sda``: the command line."""

from sda.cli.main import main

if __name__ == "__main__":
    main()
