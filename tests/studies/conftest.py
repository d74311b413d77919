"""What the tests of the studies share with those of the command line."""

from tests.cli.conftest import contrapose as contrapose
