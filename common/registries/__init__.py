"""Container registries: their API, logins, Amazon ECR, pushing, and a local one."""
