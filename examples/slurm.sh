#!/usr/bin/env bash
# Train on two nodes of eight GPUs each: sbatch examples/slurm.sh mnist-ddpm --data.root /shared/mnist
# The job saves when its time is nearly up; submit the same line again to go on.
#SBATCH --job-name=trilemma
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@180
#SBATCH --output=%x-%j.log
set -euo pipefail

export TRILEMMA_RUNS=${TRILEMMA_RUNS:-$SLURM_SUBMIT_DIR/runs}    # all nodes must see both
export TRILEMMA_CACHE=${TRILEMMA_CACHE:-$SLURM_SUBMIT_DIR/cache}
export OMP_NUM_THREADS=$((SLURM_CPUS_PER_TASK / 8))
[ ! -f .venv/bin/activate ] || source .venv/bin/activate # where the project was installed
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

srun --cpus-per-task "$SLURM_CPUS_PER_TASK" torchrun \
    --nnodes "$SLURM_JOB_NUM_NODES" \
    --nproc-per-node 8 \
    --rdzv-backend c10d \
    --rdzv-endpoint "$first:29500" \
    --rdzv-id "$SLURM_JOB_ID" \
    -m -- trilemma train "$@"
