"""Two stacks, or two versions of one, against each other."""

GROUP = "Measure"
PLACE = 2
COMMANDS = ("compare",)
