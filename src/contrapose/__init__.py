"""The front door: a handful of names, lazily imported; `import contrapose` loads no torch."""
