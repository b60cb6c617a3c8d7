"""`python -m clfsite.child MODULE ...`: runs a program's module, and ends it gracefully when its parent is gone.

Otherwise a killed server would leave web processes behind that keep answering on its port.
"""

import runpy
import signal
import sys

from clfsite.core.jobs.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent(signal.SIGTERM)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
