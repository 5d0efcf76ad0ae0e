"""The command line: shared parameters, commands, and how errors are shown."""
