"""The records that runs write. Each field carries its description, from which ``docs/records.md`` is generated."""
