"""The versions of one framework in one load test."""

GROUP = "Measure"
PLACE = 9
COMMANDS = ("history",)
