"""What is written down. Each field's meaning stands beside it; ``loadtests/RECORDS.md`` is generated from here."""
