"""Stacks and everything needed to start one: the contract, the catalog, packages, images, runtimes, conformance."""
