"""``python -m contrapose``, and so ``torchrun -m contrapose train ...``."""

from __future__ import annotations

import sys

from contrapose.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
