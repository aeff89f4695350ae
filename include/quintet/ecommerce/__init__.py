"""Events of an online shop as they happen: their generator with its truth, what the words about them mean, topics."""
