"""What libraries and images weigh."""
