"""The shop's database: its schema, a workload that changes it, and the proof that the lake says the same."""
