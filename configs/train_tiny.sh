#!/usr/bin/env bash
# Trains checkpoints/au-llava-tiny from random weights: the vision tower, then projector and language model, then everything,
# then reading all values at once, then several packed turns about each face.
# Each stage goes on from its last own checkpoint if it was interrupted. About five hours on two CPU cores.
#   PYTHON=.venv/bin/python bash configs/train_tiny.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1  # the other core draws the faces
python=${PYTHON:-python}
mkdir -p outputs/tiny

"$python" -m aullava.training.model.tower --config configs/tiny_1_tower.yaml 2>&1 | tee -a outputs/tiny/1_tower.log
"$python" train_sft.py --config configs/tiny_2_align.yaml 2>&1 | tee -a outputs/tiny/2_align.log
"$python" train_sft.py --config configs/tiny_3_joint.yaml 2>&1 | tee -a outputs/tiny/3_joint.log
"$python" train_sft.py --config configs/tiny_4_longer.yaml 2>&1 | tee -a outputs/tiny/4_longer.log
"$python" train_sft.py --config configs/tiny_5_hidden.yaml 2>&1 | tee -a outputs/tiny/5_hidden.log
"$python" train_sft.py --config configs/tiny_6_packed.yaml 2>&1 | tee -a outputs/tiny/6_packed.log
"$python" train_sft.py --config configs/tiny_7_finish.yaml 2>&1 | tee -a outputs/tiny/7_finish.log
"$python" benchmarks/evaluate_embedded.py --checkpoint outputs/tiny/7_finish/model
