"""Timed windows, climbs and distributed windows, as they run inside the Locust process."""
