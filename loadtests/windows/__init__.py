"""The timed window: Locust or wrk against one running stack, watched while it loads, as one record."""
