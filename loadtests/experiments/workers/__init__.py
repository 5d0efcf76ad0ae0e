"""The number of workers that suits one stack."""

GROUP = "Measure"
PLACE = 4
COMMANDS = ("workers_",)
