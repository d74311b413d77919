"""Text-level views."""
