"""A class's notebooks as one table: `python -m attention_core.practice.collect FOLDER`.

Answers are run again, each notebook in a process of its own with limits of time and memory. That keeps
mistakes and bad jokes to their own row; it is no wall: what runs here can read and write what you can.
"""
