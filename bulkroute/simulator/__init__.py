"""The imitation of the vendor's service."""
