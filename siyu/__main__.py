"""`python -m siyu` is the `siyu` command."""

from siyu.app.cli import main

main()
