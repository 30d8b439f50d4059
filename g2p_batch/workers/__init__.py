"""Who decodes the shards of a run: processes of this machine, Ray actors, tasks of Slurm."""
