"""The web demo: a Gradio app that is handed a recogniser. `app.py` here is also the program of a Hugging Face Space."""
