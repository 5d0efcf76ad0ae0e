"""What is measured: contract, registry, servers, images, runtimes, conformance."""
