"""Response times by size, rate and share of capacity."""

GROUP = "Measure"
PLACE = 3
COMMANDS = ("latency",)
