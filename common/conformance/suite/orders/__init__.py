"""The conformance suite of the orders in the contract ``service``, for a server whose database has the seeded rows."""
