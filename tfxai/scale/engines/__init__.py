"""What runs the chunks of a job: one process, the devices of one machine, or many machines."""
