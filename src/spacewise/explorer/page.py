"""The page: one file with the program, the samples and their pictures, that opens without a network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from pathlib import Path

from spacewise import files
from spacewise.audits import Audit
from spacewise.explorer.blobs import Blobs
from spacewise.explorer.contents import contents

BUNDLE = Path(__file__).parent / "bundle"

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="explorer"><p class="opening">Opening {count:,} samples … {late}</p></div>
<noscript>This page draws the samples with JavaScript, which is off.</noscript>
<script>{program}</script>
<script type="application/json" id="contents">{contents}</script>
{parts}
<i id="whole" hidden></i>
</body>
</html>
"""

# shown after a while: of a file that ends within its program, nothing else could say so
LATE = '<span class="late">If this stays, the file is not whole: copy it again, or make it again.</span>'

# the program and nothing else runs (its WebGL library builds functions from text); nothing is fetched
POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src blob: data:; worker-src blob:"
)


def page_of(audit: Audit) -> Path:
    """Where the explorer of one run goes: `explorer.html` beside its report; `explorer-NAME.html` of `audit-NAME`."""
    return audit.folder.parent / f"explorer{audit.folder.name.removeprefix('audit')}.html"


def write_explorer(
    audits: Sequence[Audit], out: Path, *, spaces: Sequence[str] = (), seed: int = 0, command: str
) -> Path:
    """Writes the explorer of one or more runs.

    Args:
        audits: one a run.
        out: the page.
        spaces: those laid out by t-SNE; the main ones of each run where none is named.
        seed: of the layouts.
        command: what made it, to be printed on it.

    Raises:
        InputError: as `contents`; the page cannot be written.
    """
    blobs = Blobs()
    found = contents(audits, blobs, spaces=spaces, seed=seed, command=command)
    program = (BUNDLE / "explorer.js").read_text(encoding="utf-8")
    parts = (f'<script type="text/plain" id="blob{number}">{part}</script>' for number, part in enumerate(blobs.parts))
    page = PAGE.format(
        policy=POLICY.format(digest=base64.b64encode(hashlib.sha256(program.encode("utf-8")).digest()).decode("ascii")),
        title=html.escape(f"{found['title']} · spacewise"),
        style=(BUNDLE / "explorer.css").read_text(encoding="utf-8"),
        count=found["count"],
        late=LATE,
        contents=_inert(json.dumps(files.finite(found), ensure_ascii=False, allow_nan=False)),
        parts="\n".join(parts),
        program=program,
    )
    files.write_text(out, page.encode("utf-8", "replace").decode("utf-8"))  # names may hold what UTF-8 has no bytes for
    return out


def _inert(text: str) -> str:
    """JSON that no HTML parser takes for anything else: the same JSON."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
