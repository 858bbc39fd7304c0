"""Fetches one file of a project from a Python package index, where there is no pip to do so.

Called with the project and the file's name; leaves the file in the current folder. The index is the public one, or that
of PIP_INDEX_URL, as pip has it; its pages are those of PEP 503. Whoever calls this checks the file's digest.
"""

import os
import shutil
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import Request, urlopen

SECONDS = 60


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self):
        super().__init__()
        self.targets = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.targets += [value for name, value in attrs if name == "href" and value]


def find(project, file):
    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
    page = Request(f"{index.rstrip('/')}/{project}/", headers={"Accept": "text/html"})
    with urlopen(page, timeout=SECONDS) as answer:
        links = Links()
        links.feed(answer.read().decode())
        for target in links.targets:
            url = urldefrag(urljoin(answer.geturl(), target)).url
            if unquote(urlsplit(url).path).endswith(f"/{file}"):
                return url
    sys.exit(f"the package index has no {file} of {project}")


def main(project, file):
    with urlopen(find(project, file), timeout=SECONDS) as answer, open(file, "wb") as copy:
        shutil.copyfileobj(answer, copy)


main(*sys.argv[1:])
