"""What the web services of the platform share: who may do what, and figures of themselves."""
