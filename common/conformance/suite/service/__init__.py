"""The conformance suite of the contract ``service``."""
