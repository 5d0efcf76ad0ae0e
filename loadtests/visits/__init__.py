"""How one fresh subject is measured: a server, a start, a pull, an image."""
