"""What is compared, and how it is brought up: contract, catalog, packages, images, runtimes, conformance."""
