"""Documents generated from the catalogue."""
