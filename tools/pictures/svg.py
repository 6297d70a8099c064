"""A small SVG canvas whose colours follow the page, or the system where the file is shown alone."""

from collections.abc import Sequence
from html import escape

# Inside a page of the documentation, the theme's variables decide. A file that is shown alone uses
# the second value, and the media query replaces it on dark systems.
_STYLE = """
.pic{--ink:var(--color-foreground-primary,#1f2328);--soft:var(--color-foreground-secondary,#59636e);
--line:var(--color-foreground-border,#8c959f);--fill:var(--color-background-secondary,#f6f8fa);
--accent:var(--color-brand-content,#0b5fa5);font-family:system-ui,sans-serif;font-size:13px}
@media (prefers-color-scheme:dark){.pic{--ink:var(--color-foreground-primary,#e6edf3);
--soft:var(--color-foreground-secondary,#9198a1);--line:var(--color-foreground-border,#6e7681);
--fill:var(--color-background-secondary,#151b23);--accent:var(--color-brand-content,#4493f8)}}
.pic text{fill:var(--ink)}.pic .soft{fill:var(--soft)}.pic .small{font-size:11px}
.pic .bold{font-weight:600}.pic .code{font-family:ui-monospace,monospace}
.pic .accent{fill:var(--accent)}.pic .box{fill:var(--fill);stroke:var(--line)}
.pic .dashed{fill:none;stroke:var(--line);stroke-dasharray:4 3}
.pic .edge{fill:none;stroke:var(--accent);stroke-width:1.5}.pic .bar{fill:var(--line)}
.pic .bar.accent{fill:var(--accent)}
"""
_HEAD = (
    '<marker id="pic-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto-start-reverse"><path class="accent" d="M0 0L8 4L0 8z"/></marker>'
)


class Canvas:
    """Collects shapes; coordinates are in pixels from the top left.

    Args:
        width: Width of the picture.
        height: Height of the picture.
        title: What the picture shows, for readers who do not see it.
        top: First row that is shown.
    """

    def __init__(self, width: int, height: int, title: str, *, top: int = 0) -> None:
        self._view = (0, top, width, height)
        self._title = title
        self._shapes: list[str] = []

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        lines: Sequence[str] = (),
        *,
        kind: str = "box",
    ) -> None:
        """Draw a rectangle with centred lines of text, the first one bold."""
        self._shapes.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            ' rx="6"/>'
        )
        top = y + height / 2 - 8.5 * (len(lines) - 1) + 4
        for number, line in enumerate(lines):
            style = "small soft" if number else "code bold"
            self.text(x + width / 2, top + 17 * number, line, style=style)

    def text(
        self, x: float, y: float, text: str, *, style: str = "", anchor: str = "middle"
    ) -> None:
        """Write a line of text; `anchor` says which part of it is at `x`."""
        self._shapes.append(
            f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
            f"{escape(text, quote=False)}</text>"
        )

    def edge(self, path: str, *, both: bool = False) -> None:
        """Draw an arrow along a path of SVG; with `both`, it has a head at each end."""
        start = ' marker-start="url(#pic-head)"' if both else ""
        self._shapes.append(f'<path class="edge" d="{path}" marker-end="url(#pic-head)"{start}/>')

    def bar(self, x: float, y: float, width: float, height: float, *, accent: bool) -> None:
        """Draw a bar of a chart."""
        kind = "bar accent" if accent else "bar"
        self._shapes.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'
        )

    def render(self) -> str:
        """Return the picture as the text of an SVG file."""
        view = " ".join(map(str, self._view))
        size = f'width="{self._view[2]}" viewBox="{view}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="pic" {size}>',
                f"<title>{escape(self._title)}</title>",
                f"<style>{_STYLE}</style>",
                f"<defs>{_HEAD}</defs>",
                *self._shapes,
                "</svg>\n",
            ]
        )
