"""`python -m quintet.ecommerce.search`: see `quintet.ecommerce.search.command`."""

from quintet.ecommerce.search.command import main

main()
