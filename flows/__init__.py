"""The stories, told once: each flow reads top to bottom in the words of the requirements."""
