"""A subset of PromQL over a store: text to tree, tree to values at all steps at once."""
