"""`python -m kingpost.cli`, the same as the `kingpost` command."""

from kingpost.cli.main import main

main()
