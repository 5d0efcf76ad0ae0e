"""Runs: planned, carried out round by round on fresh servers, taken up again, compared, reported, published."""
