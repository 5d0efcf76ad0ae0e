"""The load generator against Locust's clients, wrk and h2load."""

GROUP = "Load generator"
PLACE = 2
COMMANDS = ("bench_generator",)
