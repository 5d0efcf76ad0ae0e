"""Inside the Locust process: the timed window, climbs, and the part of a distributed window that a worker makes."""
