"""The page that stands in for the desktop's while the daemon cannot be reached.

It says which of three is the case (the desktop is starting, has failed, or there is none) and why,
looks again by itself, and gives way to the desktop when that is there. What programs ask for is
answered with the API's form of an error instead.
"""

from __future__ import annotations

import base64
import hashlib
import json
import string
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Final, Self

from vizproxy import resources

RETRY_AFTER_SECONDS: Final = 2
_OF_THE_PAGE: Final = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'"


class Phase(StrEnum):
    """How it stands with a desktop that cannot be reached."""

    STARTING = "starting"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why there is no desktop, for a person and for a program.

    ``title`` and ``text`` are the person's; ``advice`` is what to do, ``report`` a text to hand on to
    an administrator, ``output`` what was said last. ``message`` and ``hint`` are the program's.
    """

    phase: Phase
    title: str
    text: str
    message: str
    hint: str = ""
    advice: str = ""
    report: str = ""
    output: Sequence[str] = ()

    def as_json(self, *, with_html: bool) -> bytes:
        """The API's form of an error. With ``html``, the page that shows another explanation has it."""
        error = {"code": "not_running", "message": self.message, "hint": self.hint}
        if with_html:
            error["html"] = fragment(self)
        return json.dumps(error, ensure_ascii=False).encode()


def as_sentence(words: str) -> str:
    """An error's words, as they stand by themselves."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


def fragment(explanation: Explanation) -> str:
    """What is on the page's card, as HTML."""
    parts = [
        f'<div class="mark" data-phase="{explanation.phase}"></div>',
        f"<h1>{escape(explanation.title)}</h1>",
        f"<p>{_with_code(explanation.text)}</p>",
    ]
    if explanation.advice:
        parts.append(f'<p class="advice">{_with_code(explanation.advice)}</p>')
    if explanation.report:
        parts.append(f"<pre>{escape(explanation.report)}</pre>")
    if explanation.output:
        lines = escape("\n".join(explanation.output))
        parts.append(f'<h2>What it said last</h2><pre class="output" tabindex="0">{lines}</pre>')
    return "".join(parts)


def _with_code(text: str) -> str:
    """A sentence as HTML: what stands between backquotes is code."""
    pieces = (escape(piece) for piece in text.split("`"))
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(pieces))


@dataclass(frozen=True, slots=True)
class Page:
    """The page's parts. It needs nothing that has to be asked for."""

    html: string.Template
    style: str
    script: str

    @classmethod
    def read(cls) -> Self:
        """Read the parts. Blocks."""
        files = Path(__file__).with_name("page")
        html, style, script = (
            (files / f"explain.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
        )
        colours = (resources.web() / "colours.css").read_text("utf-8")
        return cls(string.Template(html), f"{colours}\n{style}", script)

    def render(self, explanation: Explanation, health: str) -> bytes:
        """The whole page. ``health`` is the address that answers when the desktop is there."""
        text = self.html.substitute(
            style=self.style,
            script=self.script,
            health=escape(health),
            card=fragment(explanation),
        )
        return text.encode()

    def policy(self, servers: str) -> str:
        """The page's Content-Security-Policy, made from the one of the server's own pages."""
        kept = [part for part in map(str.strip, servers.split(";")) if _is_kept(part)]
        sources = f"script-src {_hashed(self.script)}; style-src {_hashed(self.style)}"
        return "; ".join([_OF_THE_PAGE, sources, _frame_ancestors(servers), *kept])


def _is_kept(directive: str) -> bool:
    return directive.partition(" ")[0].lower() in {"report-uri", "report-to"}


def _frame_ancestors(policy: str) -> str:
    """Who may frame the page: whom the server allows, and JupyterLab in any case.

    JupyterHub's servers let nobody frame their pages. The desktop's own page, which is shown in
    JupyterLab there, too, lets its own site.
    """
    for directive in policy.split(";"):
        name, *who = directive.split() or [""]
        if name.lower() == "frame-ancestors" and who and who != ["'none'"]:
            return " ".join([name, *who])
    return "frame-ancestors 'self'"


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
