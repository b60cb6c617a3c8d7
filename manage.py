#!/usr/bin/env python
"""Run an administrative command; `manage.py help` lists them."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    # read when scikit-learn is loaded, here and in every process that a command starts. The threads of its gradient boosting
    # otherwise spin while they wait for each other: on a machine with other work a fit took 76 s in place of 6
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    execute_from_command_line(sys.argv)
