"""What the workers of a site do beside its jobs."""

from datetime import timedelta

from clfsite.core.jobs import chores
from clfsite.operations import known_files

chores.every(known_files.NAME, timedelta(days=7), known_files.verify_as_chore)
