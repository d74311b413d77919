"""Corpus, readers, quarantine, harvest."""
