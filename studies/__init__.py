"""Questions that the papers leave open, answered by small runs over contrapose: ``python -m studies``."""
