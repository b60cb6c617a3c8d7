"""The release of the site; CHANGELOG.md says what each brings."""

VERSION = "0.2.0"
