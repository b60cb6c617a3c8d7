"""Format of times in the administration: like the portal, with seconds, to find them in a log."""
