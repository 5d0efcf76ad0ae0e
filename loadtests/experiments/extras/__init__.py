"""What additions to an app cost: a price list in microseconds of CPU time a request."""

GROUP = "Measure"
PLACE = 10
COMMANDS = ("extras",)
