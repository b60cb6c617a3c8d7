"""The portal's pages for datasets, runs and versions."""
