"""Starts of Fargate tasks."""

GROUP = "Measure on AWS Fargate"
PLACE = 1
COMMANDS = ("experiment",)
