"""Publications of runs: a static site, badges, pictures, and short results for people and programs."""
