"""What moves response times in a small container, one thing changed at a time."""

GROUP = "Measure"
PLACE = 5
COMMANDS = ("causes",)
