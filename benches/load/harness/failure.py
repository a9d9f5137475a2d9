"""What stops a measurement."""


class Failure(Exception):
    """Its text names what failed."""


def require(condition, what):
    """Stops unless `condition` holds."""
    if not condition:
        raise Failure(what)
