"""The runtimes: a stack as a process, in a container, or in a Fargate task."""
