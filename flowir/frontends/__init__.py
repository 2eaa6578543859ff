"""Front ends: what makes flow IR of workflows that were written for something else."""
