"""authclient: what other services verify our tokens with."""
