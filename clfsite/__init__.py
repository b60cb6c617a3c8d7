"""The project: settings, URLs, the queue, and the conversion of errors to responses."""
