"""The bytes of libraries and images."""

GROUP = "Measure"
PLACE = 8
COMMANDS = ("sizes",)
