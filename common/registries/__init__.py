"""Container registries: their API, logins, Amazon ECR, pushing images, and a local registry."""
