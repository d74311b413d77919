"""What must survive kill -9: atomic files and folders, checksums, locks; one seam for fault injection."""
