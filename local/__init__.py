"""AWS on one machine: what `make local`, the demo and the e2e tests run against. Never deployed."""
