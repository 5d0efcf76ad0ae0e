"""The load generator against wrk on one stack."""

GROUP = "Load generator"
PLACE = 1
COMMANDS = ("crosscheck",)
