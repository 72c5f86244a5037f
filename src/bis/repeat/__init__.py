"""AGAIN: a recorded run is read back, held against another one, and the difference is explained.

``recorded`` loads a run, ``comparison`` gives the verdict of two of them, ``causes`` names what was not the same
before they began, and ``report`` shows both as a page.
"""
