#!/bin/bash
# Trains on Slurm, and goes on where it was when it is queued again.
#
#   sbatch deploy/slurm.sh recipes/multi30k.toml
#   sbatch -N 8 deploy/slurm.sh recipes/multi30k.toml --set training.accumulate=32
#
# Slurm sends SIGTERM two minutes before the time is up, or when the job must give way: attentive saves and ends with code
# 130, and the job is queued again.
#SBATCH --job-name=attentive
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

recipe=${1:?usage: sbatch deploy/slurm.sh RECIPE [ARGS]…}
shift
runs=${ATTENTIVE_RUNS:-$PWD/runs-$SLURM_JOB_ID}

if [[ -e $runs/latest ]]; then
  what=(--resume "$runs/latest")
else
  what=("$recipe" --runs "$runs" "$@")
fi

# The end of one process is that of all. The shell must live to queue the job again.
trap : TERM
srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" attentive train "${what[@]}"
code=$?

if [[ $code == 130 ]]; then
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
