"""`python -m eproxyctl`."""

from eproxyctl.cli import main

if __name__ == "__main__":
    main()
