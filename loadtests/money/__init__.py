"""What a finished run says in dollars."""
