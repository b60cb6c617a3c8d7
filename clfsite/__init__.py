"""The project: settings, addresses, the queue, and the one place that turns errors into responses."""
