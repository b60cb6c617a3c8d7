"""Static files with hashes in their names, for a process that outlives an upgrade of its folder."""

import logging

from whitenoise.storage import CompressedManifestStaticFilesStorage

logger = logging.getLogger(__name__)


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Reads the manifest again for a name that is not in it, because a template may be newer than this process.

    A name that is still missing keeps its plain address, so a page loses a style rather than failing.
    """

    def stored_name(self, name: str) -> str:
        """The name with its hash."""
        try:
            return str(super().stored_name(name))
        except ValueError:
            self.hashed_files, self.manifest_hash = self.load_manifest()
        try:
            return str(super().stored_name(name))
        except ValueError:
            logger.warning("%s is not a collected static file; run manage.py collectstatic", name)
            return name
