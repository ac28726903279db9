"""What a source holds, and what is wrong with it, before anything is trained on it."""

from spacewise.check.clues import Clue
from spacewise.check.findings import Finding
from spacewise.check.report import Report, check
from spacewise.check.twins import Twins
from spacewise.check.view import render

__all__ = ["Clue", "Finding", "Report", "Twins", "check", "render"]
