"""What train_sft.py is made of: its arguments, then data/ (rows and batches), model/ (what learns) and run/ (how it learns)."""
