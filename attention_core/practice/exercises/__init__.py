"""One file an exercise, in which a variable of the file's name holds its check; `check` finds them."""
