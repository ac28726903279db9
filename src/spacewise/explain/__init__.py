"""Explanation: where a network looks, and whether that is what it decides by.

- `attribution`: which pixels speak for a class?
- `curves`: does the network follow the order of these pixels?
- `regions`: do they lie on the object?
- `make`: all of it for a run, kept in its folder
"""
