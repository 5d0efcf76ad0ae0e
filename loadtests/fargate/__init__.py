"""The experiments of 2019 on ECS Fargate: one factor each, and what it does to the start of a task."""
