"""What train_sft.py is made of: the tokenizer and model built from scratch, the tower's warm-up, the trainer, the report."""
