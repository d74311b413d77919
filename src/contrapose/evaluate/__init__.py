"""A task is data and a metric."""
