"""`python -m ferryman`: the same as the `ferryman` command."""

from ferryman.cli import main

main()
