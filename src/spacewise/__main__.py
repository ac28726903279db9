"""`python -m spacewise`: what `torchrun -m spacewise` calls in each process."""

from spacewise.cli import main

main()
