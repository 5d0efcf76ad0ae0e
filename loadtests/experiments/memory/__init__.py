"""The memory of fresh servers, and the smallest limit that suffices."""

GROUP = "Measure"
PLACE = 7
COMMANDS = ("memory",)
