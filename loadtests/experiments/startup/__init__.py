"""The time from the start of a server to its first response."""

GROUP = "Measure"
PLACE = 6
COMMANDS = ("startup",)
