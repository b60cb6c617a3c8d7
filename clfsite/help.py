"""The documentation under /help/: the pages of `docs/`, rendered once per process."""

import re
from dataclasses import dataclass
from functools import cache
from posixpath import dirname, join, normpath

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from clfsite.core.web.staff import StaffRequest, staff

FOLDER = settings.BASE_DIR / "docs"
# pages of the menu, in the order of a new user; the index has all
MENU = ("user-guide", "getting-started", "training", "api", "notebook", "operations", "metrics", "security")


@dataclass(frozen=True)
class Page:
    """A page of the documentation: its title and its body as HTML."""

    title: str
    body: str


@staff()
@require_safe
def show(request: StaffRequest, page: str = "") -> HttpResponse:
    """One page, by default the index."""
    name = page or "README"
    shown = read(name)
    menu = [("", "Contents"), *((item, read(item).title) for item in MENU)]
    return render(request, "help.html", {"page": shown, "name": page, "menu": menu})


@cache
def read(name: str) -> Page:
    """Read and render a page.

    Args:
        name: the path of the file below `docs`, without its ending.

    Raises:
        Http404: there is no such page.
    """
    try:
        text = (FOLDER / f"{name}.md").read_text()
    except OSError as error:
        raise Http404 from error
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    title = next(tokens[place + 1].content for place, token in enumerate(tokens) if token.tag == "h1")
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(tokens[place + 1].content))
        elif token.type == "table_open":
            token.attrSet("class", "table")
        for part in token.children or ():
            _point(part, name)
    # the page has the title as its heading
    body = markdown.renderer.render(tokens[3:], markdown.options, {})
    return Page(title, body)


def slug(heading: str) -> str:
    """The id of a heading, as in the links of the documents."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _point(part: Token, page: str) -> None:
    """Turn links to files into links to their pages here, and to nothing where the site does not have them."""
    if part.type == "image":
        part.attrSet("src", static(f"help/{str(part.attrs['src']).removeprefix('images/')}"))
        part.attrSet("loading", "lazy")
    elif part.type == "link_open":
        address, mark, fragment = str(part.attrs["href"]).partition("#")
        if address.endswith(".md"):
            target = normpath(join(dirname(page), address)).removesuffix(".md")
            is_here = not target.startswith("..")
            part.attrSet("href", f"{address_of(target)}{mark}{fragment}" if is_here else address_of(""))


def address_of(page: str) -> str:
    """The address of a page; the index has none of its own."""
    return reverse("help", args=["" if page == "README" else page])
