"""What a stack is and how it is brought up: the contract, the catalog, packages, images, runtimes, conformance."""
