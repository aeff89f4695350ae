"""`python -m quintet.timeseries`: see `quintet.timeseries.command`."""

from quintet.timeseries.command import main

main()
