"""An experiment from outside the tree: how long a server takes to answer a ping. It starts none."""

GROUP = "Measure"
PLACE = 99
COMMANDS = ("pings",)
