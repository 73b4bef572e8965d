"""The main job: image files in, rows of action units out. inputs -> detection -> run -> outputs, overlay."""
