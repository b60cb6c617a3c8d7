#!/usr/bin/env python
"""Run an administrative command; `manage.py help` lists them."""

import os
import sys

from django.core.management import execute_from_command_line
from django.core.management.base import BaseCommand

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    # scikit-learn reads this variable when it is loaded, here and in child processes. Without it, the threads of its
    # gradient boosting spin while they wait for each other: on a busy machine a fit took 76 s instead of 6 s.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Django's checks are about the code: `manage.py check` makes them. They load all pages, which takes as long as the rest
    # of the start, also of each training run.
    BaseCommand.requires_system_checks = ()
    execute_from_command_line(sys.argv)
