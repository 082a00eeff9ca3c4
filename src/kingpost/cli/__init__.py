"""The command line: `kingpost --help`."""
