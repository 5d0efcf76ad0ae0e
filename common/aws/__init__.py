"""ECS Fargate: settings, calls to AWS, task sizes, spending, and the removal of whatever a run started."""
