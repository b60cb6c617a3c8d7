"""`make audit`: looks the pinned packages up among those with known faults.

A fault that was found and a question that nobody answered are told apart: the first ends with 1, the second with 2.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.site import ROOT

# asked in turn until one answers
SERVICES = {"pypi": "pypi.org", "osv": "api.osv.dev"}
PIP_AUDIT = Path(sys.executable).parent / "pip-audit"
OPTIONS = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]


def main(program: Path = PIP_AUDIT) -> int:
    """Ask, say what came of it, and return the exit status."""
    unanswered = []
    for service, host in SERVICES.items():
        asked = ["--vulnerability-service", service, "--requirement", str(ROOT / "requirements.txt")]
        done = subprocess.run([str(program), *OPTIONS, *asked], capture_output=True, text=True, check=False)
        if done.stdout.strip():
            return tell(json.loads(done.stdout)["dependencies"], host)
        text = done.stderr.strip().splitlines()
        unanswered.append(f"  {host}: {text[-1] if text else f'pip-audit ended with {done.returncode}'}")
    print("Nothing was found out: nobody who knows the faults of packages answered.", *unanswered, sep="\n")
    print(
        f"Call this where {' or '.join(SERVICES.values())} can be reached; the workflow does on every push."
    )
    return 2


def tell(packages: list[dict[str, Any]], host: str) -> int:
    """List the faults that are known."""
    faults = [(package, fault) for package in packages for fault in package.get("vulns", [])]
    for package, fault in faults:
        mended = ", ".join(fault["fix_versions"]) or "no release yet"
        print(f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}")
    print(f"{len(packages)} packages asked about at {host}, {len(faults)} known faults")
    if faults:
        print("Raise the bound in requirements.in if there is one, then `make lock` and `make test`.")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
