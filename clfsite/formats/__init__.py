"""How the administration writes moments: as the portal does, and down to the second, to be found in a log."""
