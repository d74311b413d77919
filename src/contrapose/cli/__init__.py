"""One file per verb; verbs are thin."""
