"""The load test: every stack on a fresh server in every round, ranked."""

GROUP = "Measure"
PLACE = 1
COMMANDS = ("loadtest",)
