"""The tests of the harness; `common/conformance` holds those of a running stack."""
