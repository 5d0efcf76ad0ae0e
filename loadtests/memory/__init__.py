"""What a server holds, idle and loaded, and the least it needs."""
