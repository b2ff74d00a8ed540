"""Checks on a real Slurm of two nodes on one machine: `bash tests/slurm.sh`."""
