"""The use cases of a pipeline, in the order of its life: ports in, a report out."""
