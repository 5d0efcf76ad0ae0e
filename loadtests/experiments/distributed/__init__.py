"""One window that workers on several machines measure together."""

GROUP = "Load generator"
PLACE = 3
COMMANDS = ("master", "worker", "generator")
