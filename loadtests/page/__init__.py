"""One self-contained page that shows everything a set of runs knows, the static site made of such pages, pictures."""
