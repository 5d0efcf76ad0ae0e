"""What a start takes: of a fresh server, and of an image that has to be pulled first."""
