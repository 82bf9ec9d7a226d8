"""Facts about the machine: its GPUs, its files, its limits. Each is a value, or a reason for none."""
