"""The batch layer: what the log of events says, computed by Spark; equal to the truth, late events included."""
