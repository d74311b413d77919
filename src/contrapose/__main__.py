"""``python -m contrapose``, and so ``torchrun -m contrapose train ...``."""

from __future__ import annotations

from typing import NoReturn

from contrapose.cli.ending import end
from contrapose.cli.main import main


def run() -> NoReturn:
    """The command of this process, and the end of the process."""
    end(main())


if __name__ == "__main__":
    run()
