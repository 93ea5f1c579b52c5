"""A mesh as a map: who calls which virtual service, and how its routes split the traffic over virtual nodes."""
