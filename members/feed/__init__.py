"""The files that the mutual's management system hands in and takes out. Formats: docs/feed.md."""
