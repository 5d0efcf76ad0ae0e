"""The command line: parameters, verbs, and how errors are shown."""
