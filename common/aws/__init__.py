"""ECS Fargate: settings, calls to AWS, task sizes, spending, and what a killed run left behind."""
