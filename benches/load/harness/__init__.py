"""The parts of the load harness; ../run is where it begins."""
