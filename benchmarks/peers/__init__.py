"""What the service is measured against; each is written to be fast, not to look slow."""
