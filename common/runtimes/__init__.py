"""Ways to bring a stack up: as a process, in a container, or as a Fargate task."""
