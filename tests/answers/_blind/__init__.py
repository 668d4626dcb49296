"""Answers of somebody who has seen only the notebooks, as they were written: right ones and wrong ones.

Above each stands what it is, WRONG or RIGHT, in the writer's words; SHOWS is an input for which it is seen.
They are no rows yet: what the checks say of them is counted before anything is mended for their sake.
"""
