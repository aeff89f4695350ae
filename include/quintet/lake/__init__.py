"""The lake: where tables lie, how they come to be, how files land in them exactly once."""
