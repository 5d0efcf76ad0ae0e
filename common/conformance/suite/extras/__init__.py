"""The conformance suite of ``extras.py``: what its app returns, whatever was added."""
