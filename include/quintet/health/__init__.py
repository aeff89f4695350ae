"""Health of the lab: what is up, how much memory it takes, what is wrong and what to do."""
