"""How it is measured: Locust users and scenarios, the runner, analysis and report."""
