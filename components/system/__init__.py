"""What lies under all: the error that a person reads, limits of parameters, processes, resources, progress."""
