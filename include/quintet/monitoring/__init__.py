"""The lab watched by Prometheus: figures that no exporter tells, rules, and their alerts in the lab's alert log."""
