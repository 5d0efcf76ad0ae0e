"""The load generator itself on trial: its cost, its ceiling, a second opinion, workers on other machines."""
