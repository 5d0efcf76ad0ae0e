"""ECS Fargate: where tasks run and at which sizes, the calls that AWS is sent, what they may cost."""
