"""What stops a measurement."""


class Failure(Exception):
    """Its text names what failed."""
