"""Who carries jobs out: this process, processes of this machine, or a Ray cluster."""
